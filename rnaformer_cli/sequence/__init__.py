"""RNA sequences: the FASTA reader, records, and the integer encoding."""
