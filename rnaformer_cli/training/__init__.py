"""Targets, loss, loop, run folder: how weights are made."""
