"""Labelled records: import, label, split."""
