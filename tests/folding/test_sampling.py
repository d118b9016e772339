"""A sample of structures has the frequencies of an enumeration."""

import math
import random
from collections import Counter

import numpy as np
import pytest
import torch
from factories.foldings import nested_structures, random_loop_tables

from rnaformer_cli.folding.hard_constraints import HardConstraints, exclude_structures
from rnaformer_cli.folding.model import scaled_inside
from rnaformer_cli.folding.sampling import sample_partners
from rnaformer_cli.folding.scores import score_loops
from rnaformer_cli.folding.structure_loops import score_structure

N_SAMPLES = 20_000
N_CONSTRAINTS = 5  # of each example
N_CONSTRAINED = 2000  # samples of each
# Together they have every kind of loop, as in test_partition.py.
EXAMPLES = [
    "GGGAAACCC",
    "GAGAAACAC",  # one base on each side
    "GAAGAAAAACAC",  # two bases by one
    "GAAGAAAAACAAC",  # two by two
    "GAAGAAAAC",  # a bulge
    "GCGAAAACGAAAACC",  # two hairpins in a multiloop, or side by side
    "GGAAAACGUAAAACCUUGC",
    "AUGCGNAUGCAUUGGCAU",
    "GGCAAAAGAGCAAAAGAGCAAAAGACC",  # three hairpins in a multiloop, with unpaired bases
]


def loops(sequence):
    codes = torch.tensor([["ACGUN".index(letter) for letter in sequence]])
    return score_loops(codes, random_loop_tables(size=0.7))


def sample(sequence, n_samples=N_SAMPLES, seed=1):
    return sample_partners(*scaled_inside(loops(sequence)), n_samples, seed)


def to_pairs(partners):
    return tuple((left, right) for left, right in enumerate(partners.tolist()) if right > left)


@pytest.mark.parametrize("sequence", EXAMPLES)
def test_each_structure_is_as_frequent_as_it_is_probable(sequence):
    each = {
        tuple(sorted(pairs)): math.exp(score_structure(loops(sequence), 0, pairs))
        for pairs in nested_structures(sequence)
    }
    found = Counter(map(to_pairs, sample(sequence)))
    assert set(found) <= set(each)
    for pairs, weight in each.items():
        expected = N_SAMPLES * weight / sum(each.values())
        assert abs(found[pairs] - expected) < 5.0 * math.sqrt(expected) + 5.0, pairs


def test_partners_are_mutual():
    for partners in sample(EXAMPLES[-1], n_samples=200):
        paired = np.flatnonzero(partners >= 0)
        assert (partners[partners[paired]] == paired).all()


def test_a_larger_sample_begins_with_the_smaller_one():
    few, many = sample(EXAMPLES[-1], n_samples=10), sample(EXAMPLES[-1], n_samples=50)
    np.testing.assert_array_equal(few, many[:10])


def test_another_seed_draws_other_structures():
    one, same, other = (sample(EXAMPLES[-1], 50, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize("length", [1, 2, 4, 5, 6])
def test_short_sequences_are_sampled(length):
    partners = sample("GAAAAC"[:length], n_samples=100)
    assert partners.shape == (100, length)
    assert bool((partners >= 0).any()) == (length == 6)


@pytest.mark.parametrize("sequence", EXAMPLES)
def test_constrained_samples_have_the_frequencies_of_the_structures_that_satisfy_them(sequence):
    chance, of_loops = random.Random(sequence), loops(sequence)
    every = {
        tuple(sorted(pairs)): math.exp(score_structure(of_loops, 0, pairs))
        for pairs in nested_structures(sequence)
    }
    for _ in range(N_CONSTRAINTS):
        may_pair, must_pair = random_hard_constraints(chance, len(sequence))
        each = {
            pairs: weight
            for pairs, weight in every.items()
            if all(may_pair[pair] for pair in pairs) and must_pair <= {b for p in pairs for b in p}
        }
        if not each:
            continue
        is_required = torch.tensor([[base in must_pair for base in range(len(sequence))]])
        constrained = exclude_structures(of_loops, HardConstraints(may_pair[None], is_required))
        sampled = sample_partners(*scaled_inside(constrained, -10.0), N_CONSTRAINED, seed=1)
        found = Counter(map(to_pairs, sampled))
        assert set(found) <= set(each)
        total = sum(each.values())
        for pairs, weight in each.items():
            expected = N_CONSTRAINED * weight / total
            assert abs(found[pairs] - expected) < 5.0 * math.sqrt(expected) + 5.0, pairs


def random_hard_constraints(chance, size):
    """A symmetric matrix without some pairs, and up to two bases that must pair."""
    may_pair = torch.ones(size, size, dtype=torch.bool)
    for _ in range(chance.randint(0, 8)):
        left, right = chance.sample(range(size), 2)
        may_pair[left, right] = may_pair[right, left] = False
    return may_pair, set(chance.sample(range(size), chance.randint(0, 2)))
