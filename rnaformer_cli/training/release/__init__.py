"""Trained weights -> released weights: calibration, thresholds, the mixture of families."""
