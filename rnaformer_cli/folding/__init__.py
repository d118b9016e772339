"""A nearest-neighbour folding model with learned loop scores: probabilities of nested pairs."""
