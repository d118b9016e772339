"""Families of random RNAs that fold alike, for the tests of profiles and of learning them."""

import numpy as np
from dataset_makers import mutate, record, rna

from rnaformer_cli.families.alignment import CODES
from rnaformer_cli.families.profiles import (
    WORDS,
    Library,
    Profile,
    add_pseudocounts,
    count_kmers,
    unit,
)
from rnaformer_cli.sequence.encode import encode

SIZE = 64
STEMS = ((0, 63, 7), (10, 30, 7), (33, 53, 7))  # first base, last base, pairs
PAIRS = tuple((left + one, right - one) for left, right, size in STEMS for one in range(size))
LONG = tuple((1 + place, 61 - place) for place in range(24))  # another fold


def paired(sequence, pairs=PAIRS):
    """The sequence with the right base of each pair made complementary to the left one."""
    letters = list(sequence)
    for left, right in pairs:
        letters[right] = "UGCA"["ACGU".index(letters[left])]
    return "".join(letters)


def members(seed, count, pairs=PAIRS, share=0.2):
    """RNAs that a random parent became, a share of its letters replaced; pairs stay pairs."""
    parent = rna(SIZE, seed)
    return [paired(mutate(parent, share, 1000 * seed + one), pairs) for one in range(count)]


def labelled(seed, count, pairs=PAIRS, start=0, source="x", share=0.1, **fields):
    """Labelled records of such RNAs, leaving out the first `start` of them."""
    found = list(enumerate(members(seed, start + count, pairs, share)))[start:]
    return [record(f"{seed}.{n}", text, pairs, source, **fields) for n, text in found]


def combined(profile):
    """The pairs of a profile that are more likely than not."""
    likely = profile.pair_frequency > 0.5
    return set(zip(profile.left[likely].tolist(), profile.right[likely].tolist(), strict=True))


def make_profile(sequences, name="", pairs=PAIRS, pair_frequency=1.0):
    """The profile of sequences of one length, each base in its own column."""
    codes = [encode(sequence) for sequence in sequences]
    letters = sum(np.eye(CODES)[one] for one in codes)[:, :4]
    words = unit(sum(count_kmers(one) for one in codes))
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    pair_frequencies = np.full(len(left), pair_frequency, np.float32)
    return Profile(name, add_pseudocounts(letters), left, right, pair_frequencies, words)


def make_library(*profiles):
    """A library in which all words tell the same."""
    return Library(profiles, np.ones(WORDS, np.float32))
