"""Predict a data set and score it."""
