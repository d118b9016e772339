"""The partition function agrees with an enumeration of the structures."""

import math

import pytest
import torch
from factories.foldings import nested_structures, random_loop_tables

from rnaformer_cli.folding.model import FoldingModel, probabilities_to_features, scaled_inside
from rnaformer_cli.folding.pairs import NO_LETTER
from rnaformer_cli.folding.partition import boltzmann_factors, inside, outside, to_matrix
from rnaformer_cli.folding.scores import FIXED_SIZE_LOOPS, TABLE_SHAPES, score_loops
from rnaformer_cli.folding.structure_loops import decompose_loops, score_structure

# Together they have every kind of loop: see test_the_examples_have_every_loop.
EXAMPLES = [
    "GGGAAACCC",
    "GAGAAACAC",  # one base on each side
    "GAAGAAAAACAC",  # two bases by one
    "GAAGAAAAACAAC",  # two by two
    "GAAGAAAAC",  # a bulge
    "GCGAAAACGAAAACC",  # two hairpins in a multiloop, or side by side
    "GGAAAACGUAAAACCUUGC",
    "AUGCGNAUGCAUUGGCAU",
]


def codes(*sequences):
    longest = max(map(len, sequences))
    rows = [["ACGUN".index(letter) for letter in text.ljust(longest, "N")] for text in sequences]
    return torch.tensor(rows)


def probabilities(loop_scores, scale=0.2):
    weights = boltzmann_factors(loop_scores, scale)
    sums = inside(weights)
    outside_sums = outside(weights, sums)
    pair_probabilities = to_matrix(outside_sums.qb * sums.qb / sums.total[:, None, None])
    return pair_probabilities, sums.total.log() + scale * pair_probabilities.shape[1]


@pytest.mark.parametrize("sequence", EXAMPLES)
def test_each_structure_is_counted_once(sequence):
    loop_scores = score_loops(codes(sequence), random_loop_tables())
    each = {
        pairs: math.exp(score_structure(loop_scores, 0, pairs))
        for pairs in nested_structures(sequence)
    }
    total = sum(each.values())
    pair_probabilities, log_z = probabilities(loop_scores)
    assert float(log_z[0]) == pytest.approx(math.log(total), rel=1e-12)
    for left in range(len(sequence)):
        for right in range(len(sequence)):
            weight = sum(value for pairs, value in each.items() if (left, right) in pairs)
            assert float(pair_probabilities[0, left, right]) == pytest.approx(
                weight / total, abs=1e-12
            )


def test_the_examples_have_every_loop():
    kinds = {
        (
            name,
            index[0] if name in ("interior_closing", "interior_inner", "interior_size") else None,
        )
        for sequence in EXAMPLES
        for pairs in nested_structures(sequence)
        for name, index in decompose_loops(pairs, len(sequence))
    }
    simple = {
        "hairpin",
        *FIXED_SIZE_LOOPS,
        "multi_closing",
        "multi_branch",
        "exterior_branch",
        "multi_unpaired",
        "exterior_unpaired",
    }
    interior_sums = {
        (name, kind)
        for name in ("interior_closing", "interior_inner", "interior_size")
        for kind in (0, 1)
    }
    assert kinds == {(name, None) for name in simple} | interior_sums


def test_padding_and_neighbours_change_nothing():
    alone = [
        probabilities(score_loops(codes(text), random_loop_tables()))[0][0] for text in EXAMPLES
    ]
    together, _ = probabilities(score_loops(codes(*EXAMPLES), random_loop_tables()))
    for row, expected in enumerate(alone):
        size = len(expected)
        torch.testing.assert_close(together[row, :size, :size], expected, atol=1e-14, rtol=1e-10)
        assert not together[row, size:].any()
        assert not together[row, :, size:].any()


def test_the_scale_changes_nothing():
    loop_scores = score_loops(codes(EXAMPLES[-2]), random_loop_tables())
    one, other = probabilities(loop_scores, 0.0), probabilities(loop_scores, 1.5)
    torch.testing.assert_close(one[0], other[0], atol=1e-14, rtol=1e-10)
    torch.testing.assert_close(one[1], other[1])


@pytest.mark.parametrize("length", [1, 2, 4, 5, 6])
def test_short_sequences_fold_if_they_can(length):
    pair_probabilities, _ = probabilities(
        score_loops(codes("GAAAAC"[:length]), random_loop_tables())
    )
    assert pair_probabilities.shape == (1, length, length)
    assert bool(pair_probabilities.any()) == (length == 6)


def test_a_scale_is_found_for_long_sequences():
    length = 1500  # a sum of more than exp(1500) at the first scale
    sequence = ("G" * 8 + "AAAA" + "C" * 8) * (length // 20)
    model = folding()
    loop_scores = score_loops(codes(sequence), model.scores)
    assert not torch.isfinite(inside(boltzmann_factors(loop_scores, 0.3)).total).any()
    _, sums = scaled_inside(loop_scores)
    assert torch.isfinite(sums.total).all()
    assert sums.scale > 0.3
    pair_probabilities = model(codes(sequence))[0]
    assert float(pair_probabilities.sum(1).max()) <= 1.0 + 1e-5
    assert float(pair_probabilities.sum(1).mean()) > 0.7  # of 20 bases 16 can pair


def folding():
    model = FoldingModel()
    model.load_state_dict({name: torch.zeros(shape) for name, shape in TABLE_SHAPES.items()})
    model.stack.fill_(4.0)
    model.hairpin_length.fill_(-3.0)
    for name in ("bulge_length", "inner_length", "edge_length", "single_mismatch", "multi"):
        getattr(model, name).fill_(-4.0)
    return model


def test_sums_in_single_precision_agree_with_those_in_double_precision():
    model = FoldingModel()
    model.load_state_dict(random_loop_tables())
    sequences = codes(*EXAMPLES, "GGGACUUCGGUCCC" * 2)
    expected, _ = probabilities(score_loops(sequences, model.scores))
    found = model._in_single_precision(sequences)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, atol=2e-6, rtol=0.0)
    assert torch.equal(model(sequences), found + found.transpose(1, 2))


@pytest.mark.parametrize("repeats", [14, 26])
def test_sums_beyond_single_precision_are_computed_in_double_precision(repeats):
    sequence = codes(("G" * 8 + "AAAA" + "C" * 8) * repeats)  # 280 bases with large sums; 520
    model = folding()
    assert model._in_single_precision(sequence) is None
    expected, _ = probabilities(score_loops(sequence, model.scores), 0.6)
    found = model(sequence)[0]
    torch.testing.assert_close(found.triu(), expected[0].float(), atol=1e-6, rtol=0.0)


def test_the_model_gives_symmetric_probabilities_of_pairs():
    pair_probabilities = folding()(codes("GGGGAAAACCCC", "GGGGAAAAUUUU"))
    assert pair_probabilities.dtype == torch.float32
    assert torch.equal(pair_probabilities, pair_probabilities.transpose(1, 2))
    assert float(pair_probabilities[0, 0, 11]) > 0.9
    assert float(pair_probabilities.sum(2).max()) <= 1.0 + 1e-6


def test_unknown_letters_do_not_pair():
    pair_probabilities = folding()(torch.full((1, 12), NO_LETTER))
    assert not pair_probabilities.any()


def test_features_run_from_zero_to_one():
    features = probabilities_to_features(torch.tensor([0.0, 1e-4, 0.01, 1.0]))
    expected = torch.tensor([[0.0, 0.0], [1e-4, 0.0], [0.01, 0.5], [1.0, 1.0]])
    torch.testing.assert_close(features, expected)
