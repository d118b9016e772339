"""FASTA text -> RnaRecord -> codes."""
