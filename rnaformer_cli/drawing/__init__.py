"""Structures and score matrices as pictures."""
