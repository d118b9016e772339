"""All structures of short sequences, and random loop scores."""

import torch

from rnaformer_cli.folding.pairs import MIN_LOOP, PAIR_TYPES
from rnaformer_cli.folding.scores import TABLE_SHAPES


def nested_structures(sequence, first=0, last=None):
    """Yield all nested structures of canonical pairs from `first` to `last`, as tuples of pairs."""
    last = len(sequence) - 1 if last is None else last
    if last - first <= MIN_LOOP:
        yield ()
        return
    yield from nested_structures(sequence, first + 1, last)
    for partner in range(first + MIN_LOOP + 1, last + 1):
        if sequence[first] + sequence[partner] in PAIR_TYPES:
            for within in nested_structures(sequence, first + 1, partner - 1):
                for following in nested_structures(sequence, partner + 1, last):
                    yield ((first, partner), *within, *following)


def random_loop_tables(seed=0, size=1.0):
    """Normally distributed loop scores by name."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: size * torch.randn(shape, generator=generator, dtype=torch.float64)
        for name, shape in TABLE_SHAPES.items()
    }
