"""A run over many records: outputs, pictures, lock, log, progress."""
