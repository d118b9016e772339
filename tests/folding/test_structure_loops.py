"""Decomposition of structures into loops, worked out by hand."""

import pytest
import torch

from rnaformer_cli.folding.scores import MAX_LOOP, TABLE_SHAPES, score_loops
from rnaformer_cli.folding.structure_loops import (
    decompose_loops,
    keep_foldable,
    score_structure,
)
from rnaformer_cli.structure.brackets import parse_dot_bracket


def named(signs):
    return sorted(decompose_loops(parse_dot_bracket(signs).pairs, len(signs)))


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ("..", [("exterior_unpaired", (0,)), ("exterior_unpaired", (1,))]),
        ("(...)", [("exterior_branch", (4, 0)), ("hairpin", (4, 0))]),
        ("((...))", [("exterior_branch", (6, 0)), ("hairpin", (4, 1)), ("stack", (6, 0))]),
        ("(.(...))", [("exterior_branch", (7, 0)), ("hairpin", (4, 2)), ("left_bulge", (7, 0))]),
        ("((...).)", [("exterior_branch", (7, 0)), ("hairpin", (4, 1)), ("right_bulge", (7, 0))]),
        (
            "(.(...).)",
            [
                ("exterior_branch", (8, 0)),
                ("hairpin", (4, 2)),
                ("interior_1x1", (8, 0)),
            ],
        ),
        (
            "(..(...))",
            [
                ("exterior_branch", (8, 0)),
                ("hairpin", (4, 3)),
                ("interior_inner", (0, 4, 3)),
                ("interior_closing", (0, 8, 0)),
                ("interior_size", (0, 2, 0)),
            ],
        ),
        (
            "(..(...)...)",
            [
                ("exterior_branch", (11, 0)),
                ("hairpin", (4, 3)),
                ("interior_inner", (1, 4, 3)),
                ("interior_closing", (1, 11, 0)),
                ("interior_size", (1, 2, 3)),
            ],
        ),
        (
            ".((...).(...))",
            [
                ("multi_branch", (4, 2)),
                ("multi_branch", (4, 8)),
                ("multi_closing", (12, 1)),
                ("exterior_branch", (12, 1)),
                ("exterior_unpaired", (0,)),
                ("hairpin", (4, 2)),
                ("hairpin", (4, 8)),
                ("multi_unpaired", (7,)),
            ],
        ),
    ],
)
def test_loops_by_hand(signs, expected):
    assert named(signs) == sorted(expected)


def test_pairs_that_the_model_cannot_represent_are_dropped():
    assert keep_foldable("GAAC", [(0, 3)]) == []  # too tight
    assert keep_foldable("GAAAAG", [(0, 5)]) == []  # not canonical
    assert keep_foldable("GGAAAACCAAC", [(0, 7), (1, 10)]) == [(0, 7)]  # crossing
    assert keep_foldable("GAAAAC", [(0, 5)]) == [(0, 5)]


@pytest.mark.parametrize(("size", "kept"), [(MAX_LOOP, 2), (MAX_LOOP + 1, 1)])
def test_the_closing_pair_of_a_longer_loop_is_dropped(size, kept):
    sequence = "G" + "A" * size + "GAAAACC"
    last = len(sequence) - 1
    pairs = [(0, last), (size + 1, last - 1)]
    assert len(keep_foldable(sequence, pairs)) == kept


def test_a_score_is_the_sum_of_its_loops():
    scores = {name: torch.zeros(shape) for name, shape in TABLE_SHAPES.items()}
    scores["stack"] += 2.0
    scores["hairpin_length"][3] = -1.5
    scores["exterior_mismatch"][2] = 0.25  # GC
    scores["exterior_mismatch"][1] = 0.5  # CG, as the pair is seen from outside
    bases = torch.tensor([[2, 2, 0, 0, 0, 1, 1]])  # GGAAACC
    loop_scores = score_loops(bases, scores)
    assert float(score_structure(loop_scores, 0, [(0, 6), (1, 5)])) == 2.0 - 1.5 + 0.5
    assert float(score_structure(loop_scores, 0, [])) == 0.0
