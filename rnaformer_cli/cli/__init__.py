"""The command line: one module per command; the only layer with click, rich and exit codes."""
