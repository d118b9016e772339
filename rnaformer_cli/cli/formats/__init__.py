"""Formats of the command line alone: tables, MultiQC, score archives, terminal text."""
