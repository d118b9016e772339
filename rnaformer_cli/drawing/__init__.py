"""Drawings of structures and score matrices."""
