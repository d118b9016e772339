"""Factories of test data: data sets, families, networks, predictions, reactivities."""
