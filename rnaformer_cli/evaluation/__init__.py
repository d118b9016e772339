"""Evaluation: predict a labelled data set and score the predictions."""
