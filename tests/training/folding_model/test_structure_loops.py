"""Structures taken apart into loops, by hand."""

import pytest
import torch

from rnaformer_cli.folding.scores import MAX_LOOP, TABLE_SHAPES, loop_scores
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.training.folding_model.structure_loops import keep_foldable, loops, score


def named(signs):
    return sorted(loops(parse_dot_bracket(signs).pairs, len(signs)))


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ("..", [("exterior_unpaired", (0,)), ("exterior_unpaired", (1,))]),
        ("(...)", [("exterior", (4, 0)), ("hairpin", (4, 0))]),
        ("((...))", [("exterior", (6, 0)), ("hairpin", (4, 1)), ("stack", (6, 0))]),
        ("(.(...))", [("exterior", (7, 0)), ("hairpin", (4, 2)), ("left_bulge", (7, 0))]),
        ("((...).)", [("exterior", (7, 0)), ("hairpin", (4, 1)), ("right_bulge", (7, 0))]),
        (
            "(.(...).)",
            [
                ("exterior", (8, 0)),
                ("hairpin", (4, 2)),
                ("single", (8, 0)),
            ],
        ),
        (
            "(..(...))",
            [
                ("exterior", (8, 0)),
                ("hairpin", (4, 3)),
                ("inner", (0, 4, 3)),
                ("outer", (0, 8, 0)),
                ("size", (0, 2, 0)),
            ],
        ),
        (
            "(..(...)...)",
            [
                ("exterior", (11, 0)),
                ("hairpin", (4, 3)),
                ("inner", (1, 4, 3)),
                ("outer", (1, 11, 0)),
                ("size", (1, 2, 3)),
            ],
        ),
        (
            ".((...).(...))",
            [
                ("branch", (4, 2)),
                ("branch", (4, 8)),
                ("closing", (12, 1)),
                ("exterior", (12, 1)),
                ("exterior_unpaired", (0,)),
                ("hairpin", (4, 2)),
                ("hairpin", (4, 8)),
                ("multi_unpaired", (7,)),
            ],
        ),
    ],
)
def test_loops_by_hand(signs, expected):
    assert named(signs) == expected


def test_what_the_model_cannot_give_is_left_out():
    assert keep_foldable("GAAC", [(0, 3)]) == []  # too tight
    assert keep_foldable("GAAAAG", [(0, 5)]) == []  # not canonical
    assert keep_foldable("GGAAAACCAAC", [(0, 7), (1, 10)]) == [(0, 7)]  # crossing
    assert keep_foldable("GAAAAC", [(0, 5)]) == [(0, 5)]


@pytest.mark.parametrize(("size", "kept"), [(MAX_LOOP, 2), (MAX_LOOP + 1, 1)])
def test_a_longer_loop_is_opened(size, kept):
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
    found = loop_scores(bases, scores)
    assert float(score(found, 0, [(0, 6), (1, 5)])) == 2.0 - 1.5 + 0.5
    assert float(score(found, 0, [])) == 0.0
