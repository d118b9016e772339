"""What commands are given: shared options, input records, paths."""
