"""The command line: one module a command; the only layer with click, rich and exit codes."""
