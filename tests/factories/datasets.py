"""Random RNAs and their relatives, for the tests of data sets and training."""

import random

from rnaformer_cli.dataset.records import LabelledRecord


def random_rna(length, seed):
    """A random RNA sequence."""
    return "".join(random.Random(seed).choices("ACGU", k=length))


def mutate(sequence, fraction, seed):
    """The sequence with a fraction of its letters replaced by others."""
    source = random.Random(seed)
    letters = list(sequence)
    for index in source.sample(range(len(letters)), round(fraction * len(letters))):
        letters[index] = source.choice("ACGU".replace(letters[index], ""))
    return "".join(letters)


def make_record(name, sequence, pairs=(), source="x", **fields):
    """A labelled record with only the required fields."""
    return LabelledRecord(name, sequence, tuple(pairs), source, **fields)


def make_hairpin(name, stem, seed, source="x", **fields):
    """A perfect hairpin with a random stem and a loop of four."""
    left = random_rna(stem, seed)
    right = left[::-1].translate(str.maketrans("ACGU", "UGCA"))
    length = 2 * stem + 4
    pairs = tuple((place, length - 1 - place) for place in range(stem))
    return make_record(name, f"{left}GAAA{right}", pairs, source, **fields)
