"""Training: one package for each model, and the release of trained weights."""
