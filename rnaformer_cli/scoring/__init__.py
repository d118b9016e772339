"""Two structures -> counts -> numbers."""
