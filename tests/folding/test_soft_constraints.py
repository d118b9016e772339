"""Scores of unpaired bases are added to every structure."""

import pytest
import torch

from rnaformer_cli.folding.model import scaled_inside
from rnaformer_cli.folding.scores import TABLE_SHAPES, score_loops
from rnaformer_cli.folding.soft_constraints import add_pair_scores, add_unpaired_scores
from rnaformer_cli.folding.structure_loops import score_structure
from rnaformer_cli.structure.brackets import parse_dot_bracket

# Together they have every kind of loop that a pair can close.
STRUCTURES = [
    ("GGGAAACCC", "........."),
    ("GGGAAACCC", "(((...)))"),
    ("GAGAAACAC", "(.(...).)"),
    ("GAAGAAAAACAC", "(..(.....).)"),
    ("GAAGAAAAACAAC", "(..(.....)..)"),
    ("GAGAAACC", "(.(...))"),
    ("GGAAACAC", "((...).)"),
    ("GCGAAAACCAAAAGAC", "(.(....)(....).)"),
]


def codes(sequence):
    return torch.tensor([["ACGU".index(letter) for letter in sequence]])


def model_scores():
    generator = torch.Generator().manual_seed(2)
    return {
        name: torch.randn(shape, generator=generator, dtype=torch.float64)
        for name, shape in TABLE_SHAPES.items()
    }


def unpaired_scores(length):
    return torch.randn(1, length, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize(("sequence", "signs"), STRUCTURES)
def test_a_structure_gets_the_scores_of_its_unpaired_bases(sequence, signs):
    loop_scores, of_bases = (
        score_loops(codes(sequence), model_scores()),
        unpaired_scores(len(sequence)),
    )
    pairs = parse_dot_bracket(signs).pairs
    given = score_structure(add_unpaired_scores(loop_scores, of_bases), 0, pairs) - score_structure(
        loop_scores, 0, pairs
    )
    expected = sum(of_bases[0, base] for base, sign in enumerate(signs) if sign == ".")
    assert float(given + of_bases.sum()) == pytest.approx(float(expected), abs=1e-9)


def test_a_base_that_must_pair_is_paired_in_all_structures():
    sequence = "GGAAACC"  # the first G pairs with one of two C, or with none
    zeros = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in TABLE_SHAPES.items()}
    loop_scores = score_loops(codes(sequence), zeros)
    of_bases = torch.zeros(1, 7, dtype=torch.float64)
    of_bases[0, 0] = -50.0
    _, sums = scaled_inside(add_unpaired_scores(loop_scores, of_bases))
    count = (sums.total.log() + sums.scale * 7 + of_bases.sum()).exp()
    assert float(count) == pytest.approx(3.0, rel=1e-6)  # G1-C6; G1-C7 with G2-C6 or without


@pytest.mark.parametrize(("sequence", "signs"), STRUCTURES)
def test_a_structure_gets_the_scores_of_its_pairs(sequence, signs):
    loop_scores, size = score_loops(codes(sequence), model_scores()), len(sequence)
    generator = torch.Generator().manual_seed(4)
    of_pairs = torch.randn(1, size, size, generator=generator, dtype=torch.float64)  # [span, left]
    pairs = parse_dot_bracket(signs).pairs
    given = score_structure(add_pair_scores(loop_scores, of_pairs), 0, pairs)
    expected = sum(float(of_pairs[0, right - left, left]) for left, right in pairs)
    assert float(given - score_structure(loop_scores, 0, pairs)) == pytest.approx(expected)
