"""Other people's programs read what we write, and count what we count."""

import itertools
import random

import pytest
from conftest import any_structure_records
from hypothesis import given, settings

from rnaformer_cli.scoring.counts import count_pairs
from rnaformer_cli.structure.bpseq import format_bpseq
from rnaformer_cli.structure.brackets import format_dot_bracket, parse_dot_bracket
from rnaformer_cli.structure.dbn import format_dbn
from rnaformer_cli.structure.structure import Structure

some_records = given(any_structure_records())
few = settings(max_examples=60, deadline=None)


def random_structure(length, draw):
    bases = list(range(length))
    draw.shuffle(bases)
    count = draw.randint(0, length // 2)
    ends = zip(bases[:count], bases[count : 2 * count], strict=True)
    return Structure(length, frozenset((min(pair), max(pair)) for pair in ends))


def disturbed(structure, draw):
    """Some pairs of a structure, and new ones among the bases that are then free."""
    kept = [pair for pair in structure.sorted_pairs if draw.random() < 0.6]
    free = sorted(set(range(structure.length)).difference(itertools.chain(*kept)))
    draw.shuffle(free)
    new = [tuple(sorted(free[at : at + 2])) for at in range(0, len(free) // 4 * 2, 2)]
    return Structure(structure.length, frozenset(kept + new))


@few
@some_records
def test_viennarna_reads_our_brackets(record):
    vienna = pytest.importorskip("RNA")
    _, _, signs = format_dbn(record).splitlines()
    length, *partners = vienna.ptable(signs, vienna.BRACKETS_ANY)
    assert length == len(record.sequence)
    assert [partner - 1 for partner in partners] == record.structure.partners()


@few
@some_records
def test_biotite_reads_our_brackets(record):
    biotite = pytest.importorskip("biotite.structure")
    pairs = biotite.base_pairs_from_dot_bracket(format_dot_bracket(record.structure))
    assert [tuple(pair) for pair in pairs] == record.structure.sorted_pairs


@few
@some_records
def test_rnapolis_reads_our_brackets(record):
    rnapolis = pytest.importorskip("rnapolis.common")
    _, *lines = format_dbn(record).splitlines()
    assert sorted(rnapolis.DotBracket.from_string(*lines).pairs) == record.structure.sorted_pairs


@few
@some_records
def test_rnapolis_reads_our_bpseq(record):
    rnapolis = pytest.importorskip("rnapolis.common")
    read = rnapolis.BpSeq.from_string(format_bpseq(record))
    assert read.sequence == record.sequence
    assert [entry.pair - 1 for entry in read.entries] == record.structure.partners()


def test_viennarna_counts_the_same_pairs():
    vienna = pytest.importorskip("RNA")
    draw = random.Random(7)
    for _ in range(1000):
        reference = random_structure(draw.randint(2, 50), draw)
        predicted = disturbed(reference, draw)
        ours = count_pairs(predicted, reference)
        theirs = vienna.compare_structure(
            format_dot_bracket(reference), format_dot_bracket(predicted), 0, vienna.BRACKETS_ANY
        )
        false = ours.predicted - ours.predicted_matched
        missed = ours.reference - ours.reference_matched
        assert (ours.predicted_matched, false, missed) == (theirs.TP, theirs.FP, theirs.FN)


def test_viennarna_has_the_same_ratios():
    vienna = pytest.importorskip("RNA")
    reference, predicted = "((((...))))....", "(((.....))).()."
    theirs = vienna.compare_structure(reference, predicted, 0, vienna.BRACKETS_ANY)
    ours = count_pairs(parse_dot_bracket(predicted), parse_dot_bracket(reference))
    ratios = (ours.precision, ours.recall, ours.f1)
    assert ratios == pytest.approx((theirs.PPV, theirs.TPR, theirs.F1))
