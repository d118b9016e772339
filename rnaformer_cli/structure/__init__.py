"""Base pairs and their file formats."""
