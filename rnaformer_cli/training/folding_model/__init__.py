"""Fit the loop scores of the folding model to structures and reactivities."""
