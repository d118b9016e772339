"""A nearest-neighbour folding model with learned scores: the probability of each nested pair."""
