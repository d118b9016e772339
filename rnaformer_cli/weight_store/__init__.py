"""Weights by name: found, downloaded, and imported from published checkpoints."""
