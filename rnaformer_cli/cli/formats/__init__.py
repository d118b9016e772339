"""What only the command line writes or reads: tables, MultiQC, score archives, terminal text."""
