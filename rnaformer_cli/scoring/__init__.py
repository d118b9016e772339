"""Scoring of predicted structures against references."""
