"""The library of family profiles, learned from structures."""
