"""The contribution of each score table to a structure, worked out by hand."""

import math

import pytest
import torch

from rnaformer_cli.folding.pairs import NO_LETTER, PAIR_TYPES, PairTables, shifted
from rnaformer_cli.folding.scores import CONTEXT, HELIX_ENDS, TABLE_SHAPES, score_loops
from rnaformer_cli.folding.structure_loops import score_structure
from rnaformer_cli.structure.brackets import parse_dot_bracket

A, C, G, U = range(4)
AU, CG, GC, UA = (PAIR_TYPES.index(pair) for pair in ("AU", "CG", "GC", "UA"))
CENTRE = CONTEXT  # the row of an unpaired base itself


def codes(sequence):
    return torch.tensor([["ACGUN".index(letter) for letter in sequence]])


def added(sequence, signs, table, index, value):
    """The score of a structure if one entry of one table has a value and all others are 0."""
    scores = {name: torch.zeros(shape) for name, shape in TABLE_SHAPES.items()}
    scores[table][index] = value
    found = score_structure(score_loops(codes(sequence), scores), 0, parse_dot_bracket(signs).pairs)
    return pytest.approx(float(found), abs=1e-5)


def end(loop, extension):
    return HELIX_ENDS.index(loop), extension


@pytest.mark.parametrize(
    ("sequence", "signs", "table", "index", "times"),
    [
        ("GAAAC", "(...)", "triloop", (A, A, A), 1),
        ("GAAAAC", "(....)", "triloop", (A, A, A), 0),
        ("GAACAC", "(....)", "tetraloop", (A, A, C, A), 1),
        ("GAANAC", "(....)", "tetraloop", (A, A, C, A), 0),
        ("GACUC", "(...)", "hairpin_small", (0, GC, A, U), 1),
        ("GACCUC", "(....)", "hairpin_small", (1, GC, A, U), 1),
        ("GACCUC", "(....)", "hairpin_small", (0, GC, A, U), 0),
        ("GACCCUC", "(.....)", "hairpin_small", (1, GC, A, U), 0),
        ("GACCCUC", "(.....)", "hairpin_mismatch", (GC, A, U), 1),
        ("AACAAAGU", "(.(...))", "bulge_stack", (AU, CG), 0.5),  # the other half is (GC, UA)
        ("AACAAAGU", "(.(...))", "stack", (AU, CG), 0.5),
        ("AACAAAGU", "(.(...))", "stack", (GC, UA), 0.5),
        ("GACAAAGC", "(.(...))", "bulge_length", (1,), 1),
        ("GAAACAAAGUC", "(...(...).)", "edge_length", (4,), 1),
        ("GAAACAAAGUC", "(...(...).)", "edge_mismatch", (GC, A, U), 1),
        ("GAAACAAAGUC", "(...(...).)", "edge_mismatch", (GC, U, A), 1),  # of C·G, turned
        ("GAAACAAAGUC", "(...(...).)", "edge_end", (GC,), 2),
        ("GAAACAAAGUUC", "(...(...)..)", "inner_mismatch", (GC, A, U), 1),
        ("GAAACAAAGUUC", "(...(...)..)", "inner_length", (5,), 1),
        ("GAAACAAAGUUC", "(...(...)..)", "inner_small", (2, 3), 1),
        ("GAAACAAAGUUC", "(...(...)..)", "asymmetry", (1,), 1),
        ("GACAAAGUC", "(.(...).)", "single_mismatch", (GC, U, A), 1),
        ("AGAAACU", ".(...).", "exterior_mismatch", (CG, U, A), 1),
        ("AGAAACU", ".(...).", "branch_mismatch", (CG, U, A), 0),
        ("GAGAAACUGAAACC", "(.(...).(...))", "branch_mismatch", (CG, U, A), 1),
        ("GAGAAACUGAAACC", "(.(...).(...))", "closing_mismatch", (GC, A, C), 1),
        ("GAGAAACUGAAACC", "(.(...).(...))", "multi", (0,), 1),
        ("GAGAAACUGAAACC", "(.(...).(...))", "multi", (1,), 3),
    ],
)
def test_a_table_adds_where_its_loop_is(sequence, signs, table, index, times):
    assert added(sequence, signs, table, index, 1.5) == 1.5 * times


@pytest.mark.parametrize(
    ("sequence", "signs", "table", "index", "times"),
    [
        ("GGGAAACCC", "(((...)))", "stack_room", (0, 1), 1),  # half of each stack
        (
            "GGGAAACCC",
            ".((...)).",
            "stack_room",
            (1, 0),
            0.5,
        ),  # possible pairs count, not only formed ones
        ("GGGAAACCC", "(((...)))", "helix_end", end("hairpin", 2), 1),
        ("GGGAAACCC", "(((...)))", "helix_end", end("exterior_branch", 2), 1),
        ("GGAGAAACCC", "((.(...)))", "helix_end", end("bulge", 1), 1),  # of the outer pair
        ("GGAGAAACCC", "((.(...)))", "helix_end", end("bulge", 0), 1),  # of the inner one
        ("GGAGGAAACCCC", "((.((...))))", "helix_end", end("bulge", 1), 2),
        ("GAGGAAACCUC", "(.((...)).)", "helix_end", end("interior_1x1", 1), 1),
        ("GAGGAAACCUC", "(.((...)).)", "helix_end", end("interior_1x1", 0), 1),
        ("GAAAGGAAACCUC", "(...((...)).)", "helix_end", end("interior_1xn", 1), 1),
        ("GAAAGGAAACCUUC", "(...((...))..)", "helix_end", end("interior", 1), 1),
        ("GGAGGAAACCAGAAACCC", "((.((...)).(...)))", "helix_end", end("multi_closing", 1), 1),
        ("GGAGGAAACCAGAAACCC", "((.((...)).(...)))", "helix_end", end("multi_branch", 1), 1),
        ("GGAGGAAACCAGAAACCC", "((.((...)).(...)))", "helix_end", end("multi_branch", 0), 1),
        ("GAGAAACAC", "..(...)..", "helix_end", end("hairpin", 0), 1),  # not beyond a gap
        ("G" * 12 + "AAAA" + "C" * 12, "(" * 12 + "...." + ")" * 12, "helix_end", (0, 7), 1),
    ],
)
def test_helices_are_scored_by_their_possible_extensions(sequence, signs, table, index, times):
    assert added(sequence, signs, table, index, 1.5) == 1.5 * times


@pytest.mark.parametrize(
    ("loop", "sequence", "signs", "bases"),
    [
        ("hairpin", "GAAAC", "(...)", 3),
        ("hairpin", "GANAC", "(...)", 2),
        ("interior", "GACAAAGC", "(.(...))", 1),
        ("interior", "GCAAAGAC", "((...).)", 1),
        ("interior", "GACAAAGAC", "(.(...).)", 2),
        ("interior", "GAACAAAGAC", "(..(...).)", 3),
        ("interior", "GAACAAAGNNAAC", "(..(...)....)", 4),
        ("multi", "AGAGAAACAAGAAACCA", ".(.(...)..(...)).", 3),
        ("exterior", "AGAAACAAGAAACNA", ".(...)..(...)..", 4),
        ("exterior", "AAA", "...", 3),
    ],
)
def test_every_unpaired_base_counts_in_its_loop(loop, sequence, signs, bases):
    table = f"unpaired_{loop}"
    assert added(sequence, signs, table, (CENTRE, A), 0.25) == 0.25 * bases


@pytest.mark.parametrize(("step", "letter"), [(-4, G), (-2, A), (2, C), (4, U)])
def test_letters_next_to_an_unpaired_base_count(step, letter):
    sequence = "GGACACCUU"
    assert "ACGU"[letter] == sequence[4 + step]
    found = added(sequence, "." * len(sequence), "unpaired_exterior", (CENTRE + step, letter), 0.5)
    bases = range(max(0, -step), len(sequence) - max(0, step))
    assert found == 0.5 * sum(sequence[base + step] == "ACGU"[letter] for base in bases)


def test_an_unknown_unpaired_letter_scores_zero():
    assert added("ANC", "...", "unpaired_exterior", (CENTRE - 1, A), 0.5) == 0.0
    assert added("AGC", "...", "unpaired_exterior", (CENTRE - 1, A), 0.5) == 0.5


def test_a_long_hairpin_counts_as_thirty_bases():
    sequence, signs = "G" + "A" * 60 + "C", "(" + "." * 60 + ")"
    size = -1.75 * math.log(60 / 30)
    assert added(sequence, signs, "unpaired_hairpin", (CENTRE, A), 1.0) == 30.0 + size


def test_shifted_tables_hold_inner_or_outer_pairs():
    table = torch.arange(1.0, 37.0).reshape(1, 6, 6)
    assert shifted(table, 2, 1)[0, 5, 0] == table[0, 2, 2]
    assert shifted(table, -1, -2)[0, 2, 1] == table[0, 5, 0]
    assert not shifted(table, 1, 1)[0, :2].any()
    assert not shifted(table, -1, -1)[0, 4:].any()
    assert not shifted(table, 3, 4).any()


def test_possible_pairs_are_canonical_and_close_a_loop():
    pairs = PairTables(codes("GAAACN"))
    assert pairs.can_pair.nonzero().tolist() == [[0, 4, 0]]
    assert int(pairs.pair_type[0, 4, 0]) == GC
    assert pairs.letters_at(-1).tolist() == [[NO_LETTER, G, A, A, A, C]]
    values = torch.tensor([[1.0, 2.0, 4.0, 8.0, 16.0, 32.0]])
    assert float(pairs.sum_between(values)[0, 3, 1]) == 4.0 + 8.0
    assert float(pairs.sum_from_to(values)[0, 3, 1]) == 2.0 + 4.0 + 8.0 + 16.0
