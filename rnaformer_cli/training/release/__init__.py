"""Trained weights -> released weights: calibration, thresholds, the blend of families."""
