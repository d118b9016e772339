"""Predictions -> one HTML page that needs nothing else."""
