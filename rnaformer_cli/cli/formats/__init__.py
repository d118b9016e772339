"""Formats used only by the command line: tables, MultiQC, score archives, terminal text."""
