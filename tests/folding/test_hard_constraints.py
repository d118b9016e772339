"""The partition function under constraints is the sum over the structures that satisfy them."""

import itertools
import math
import random

import pytest
import torch

from rnaformer_cli.folding.hard_constraints import HardConstraints, exclude_structures
from rnaformer_cli.folding.model import FoldingModel, scaled_inside
from rnaformer_cli.folding.pairs import MIN_LOOP, PAIR_TYPES
from rnaformer_cli.folding.partition import outside, to_matrix, to_spans
from rnaformer_cli.folding.scores import TABLE_SHAPES, score_loops
from rnaformer_cli.folding.structure_loops import score_structure

# Together they have every kind of loop: see test_partition.py.
EXAMPLES = [
    "GAGAAACAC",
    "GAAGAAAAACAAC",
    "GCGAAAACGAAAACC",
    "GGAAAACGUAAAACCUUGC",
    "AUGCGNAUGCAUUGGCAU",
    "GAAAGAAAAACAAAC",  # three by three
]
N_RANDOM = 15  # constraints of each example


def structures(can_pair, first, last):
    """All nested structures of the pairs that are possible between two bases."""
    if last - first <= MIN_LOOP:
        yield ()
        return
    yield from structures(can_pair, first + 1, last)
    for partner in range(first + MIN_LOOP + 1, last + 1):
        if (first, partner) in can_pair:
            for within in structures(can_pair, first + 1, partner - 1):
                for following in structures(can_pair, partner + 1, last):
                    yield ((first, partner), *within, *following)


def canonical(sequence):
    pairs = itertools.combinations(range(len(sequence)), 2)
    return {pair for pair in pairs if sequence[pair[0]] + sequence[pair[1]] in PAIR_TYPES}


def scores(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(shape, generator=generator, dtype=torch.float64)
        for name, shape in TABLE_SHAPES.items()
    }


def codes(sequence):
    return torch.tensor([["ACGUN".index(letter) for letter in sequence]])


def random_constraints(sequence, seed):
    """Excluded pairs, bases that must pair, and pairs that are not canonical."""
    chance, size = random.Random(seed), len(sequence)
    pairs = list(itertools.combinations(range(size), 2))
    excluded = set(chance.sample(pairs, chance.randint(0, len(pairs) // 4)))
    must_pair = set(chance.sample(range(size), chance.randint(0, 3)))
    wide = [pair for pair in pairs if pair[1] - pair[0] > MIN_LOOP]
    return excluded, must_pair, set(chance.sample(wide, chance.randint(0, 2))) - excluded


def as_tensors(size, excluded, must_pair, extra):
    may_pair, extra_pairs = torch.ones(1, size, size, dtype=torch.bool), torch.zeros(1, size, size)
    for left, right in excluded:
        may_pair[0, left, right] = may_pair[0, right, left] = False
    for pair in extra:
        extra_pairs[0][pair] = 1
    required = torch.tensor([[base in must_pair for base in range(size)]])
    return HardConstraints(may_pair, required, to_spans(extra_pairs.bool()))


@pytest.mark.parametrize("sequence", EXAMPLES)
def test_sums_are_those_over_all_structures_that_satisfy_the_constraints(sequence):
    size, n_possible = len(sequence), 0
    for seed in range(N_RANDOM):
        excluded, must_pair, extra = random_constraints(sequence, seed)
        constraints = as_tensors(size, excluded, must_pair, extra)
        free = score_loops(codes(sequence), scores(), constraints.extra_pairs)
        each = {
            pairs: math.exp(score_structure(free, 0, pairs))
            for pairs in structures((canonical(sequence) | extra) - excluded, 0, size - 1)
            if must_pair <= {base for pair in pairs for base in pair}
        }
        weights, sums = scaled_inside(exclude_structures(free, constraints), -10.0)
        if not each:
            assert not sums.total.any()
            continue
        n_possible += 1
        total = sum(each.values())
        assert float(sums.total.log() + sums.scale * size) == pytest.approx(math.log(total))
        found = to_matrix(outside(weights, sums).qb * sums.qb / sums.total[:, None, None])
        expected = torch.zeros(size, size, dtype=torch.float64)
        for pairs, value in each.items():
            for left, right in pairs:
                expected[left, right] += value / total
        torch.testing.assert_close(found[0], expected, atol=1e-10, rtol=1e-10)
    assert n_possible >= N_RANDOM // 4


def test_without_constraints_the_scores_are_unchanged():
    sequence = EXAMPLES[3]
    free = score_loops(codes(sequence), scores())
    same = exclude_structures(free, as_tensors(len(sequence), set(), set(), set()))
    assert same.unpaired_runs is None
    for name in ("hairpin", "stack", "left_bulge", "interior_closing", "exterior_unpaired"):
        assert torch.equal(getattr(same, name), getattr(free, name))


def test_a_pair_that_is_not_canonical_has_the_scores_of_a_u():
    extra = torch.zeros(1, 9, 9, dtype=torch.bool)
    extra[0, 0, 8] = True
    given = score_loops(codes("GGGAAACCA"), scores(), to_spans(extra))
    assert float(given.hairpin[0, 8, 0]) > -math.inf
    assert float(score_loops(codes("GGGAAACCA"), scores()).hairpin[0, 8, 0]) == -math.inf


def test_the_model_gives_zeros_where_nothing_satisfies_the_constraints():
    model = FoldingModel()
    paired = as_tensors(9, set(), {3}, set())
    assert not model(codes("GGGAAACCC"), constraints=paired).any()
    paired = as_tensors(9, set(), {0}, set())
    assert float(model(codes("GGGAAACCC"), constraints=paired)[0, 0].sum()) == pytest.approx(1.0)


def test_improbable_structures_of_long_sequences_have_finite_sums():
    model, size = FoldingModel(), 300
    model.stack.fill_(-9.0)
    sequence = "G" * 148 + "AAAA" + "C" * 148
    must_pair = set(range(148)) | set(range(152, 300))
    found = model(codes(sequence), constraints=as_tensors(size, set(), must_pair, set()))
    assert float(found[0, 0, 299]) == pytest.approx(1.0, abs=1e-6)
