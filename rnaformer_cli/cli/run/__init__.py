"""A run over many records: outputs, lock, log, progress."""
