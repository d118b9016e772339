"""Structures: base pairs and their file formats."""
