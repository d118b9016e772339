"""Arguments of commands: shared options, input records, paths."""
