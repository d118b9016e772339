"""Trained weights -> released weights: calibration, thresholds and the mixture with families."""
