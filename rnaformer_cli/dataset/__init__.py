"""Data sets of labelled records: import, statistics, labels, splits."""
