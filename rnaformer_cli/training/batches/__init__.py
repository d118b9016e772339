"""Labelled records -> batches, for the trainers of network and folding model."""
