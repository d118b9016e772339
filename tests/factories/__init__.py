"""Factories of test data: data sets, families, networks, lines of predictions."""
