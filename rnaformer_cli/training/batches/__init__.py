"""Labelled records -> batches, for training the network and the folding model."""
