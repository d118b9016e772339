"""Families of random RNAs with a common structure, for tests of family profiles."""

import numpy as np

from factories.datasets import make_record, mutate, random_rna
from rnaformer_cli.families.alignment import N_SYMBOLS
from rnaformer_cli.families.profiles import (
    N_KMERS,
    Library,
    Profile,
    add_pseudocounts,
    count_kmers,
    normalise,
)
from rnaformer_cli.sequence.encode import encode

SIZE = 64
STEMS = ((0, 63, 7), (10, 30, 7), (33, 53, 7))  # first base, last base, pairs
PAIRS = tuple((left + one, right - one) for left, right, size in STEMS for one in range(size))
LONG = tuple((1 + place, 61 - place) for place in range(24))  # another structure: one long hairpin


def complement_pairs(sequence, pairs=PAIRS):
    """The sequence with the right base of each pair made complementary to the left one."""
    letters = list(sequence)
    for left, right in pairs:
        letters[right] = "UGCA"["ACGU".index(letters[left])]
    return "".join(letters)


def make_members(seed, count, pairs=PAIRS, mutation_rate=0.2):
    """Mutants of a random RNA: a fraction of the letters is replaced, and the pairs are kept."""
    parent = random_rna(SIZE, seed)
    return [
        complement_pairs(mutate(parent, mutation_rate, 1000 * seed + one), pairs)
        for one in range(count)
    ]


def make_labelled_members(
    seed, count, pairs=PAIRS, start=0, source="x", mutation_rate=0.1, **fields
):
    """Labelled records of the RNAs of make_members, without the first `start` of them."""
    found = list(enumerate(make_members(seed, start + count, pairs, mutation_rate)))[start:]
    return [make_record(f"{seed}.{n}", text, pairs, source, **fields) for n, text in found]


def likely_pairs(profile):
    """The pairs of a profile with a frequency above 0.5."""
    likely = profile.pair_frequency > 0.5
    return set(zip(profile.left[likely].tolist(), profile.right[likely].tolist(), strict=True))


def make_profile(sequences, name="", pairs=PAIRS, pair_frequency=1.0):
    """The profile of sequences of one length, each base in its own column."""
    codes = [encode(sequence) for sequence in sequences]
    letters = sum(np.eye(N_SYMBOLS)[one] for one in codes)[:, :4]
    words = normalise(sum(count_kmers(one) for one in codes))
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    pair_frequencies = np.full(len(left), pair_frequency, np.float32)
    return Profile(name, add_pseudocounts(letters), left, right, pair_frequencies, words)


def make_library(*profiles):
    """A library in which all k-mers have the same weight."""
    return Library(profiles, np.ones(N_KMERS, np.float32))
