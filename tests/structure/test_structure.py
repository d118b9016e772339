"""A structure is valid once it is held; what it computes."""

import itertools
import json

import numpy as np
import pytest
from conftest import any_structures
from hypothesis import given, settings

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.structure import (
    Structure,
    StructureRecord,
    group_into_stems,
    is_canonical,
    to_rna,
)


@pytest.mark.parametrize("pair", [(2, 2), (3, 1), (0, 5), (-1, 3)])
def test_a_pair_that_does_not_fit_is_reported_with_its_bases(pair):
    with pytest.raises(StructureError) as caught:
        Structure(5, frozenset({pair}))
    bases = f"({pair[0] + 1}, {pair[1] + 1})"
    assert str(caught.value) == f"pair {bases} does not fit an RNA of 5 bases"


def test_the_outermost_pair_fits():
    assert Structure(5, frozenset({(0, 4)})).pairs == {(0, 4)}


def test_pairs_are_sorted_by_their_left_base():
    structure = Structure(9, frozenset({(5, 6), (0, 8), (2, 3)}))
    assert structure.sorted_pairs == [(0, 8), (2, 3), (5, 6)]


def test_bases_with_several_partners_are_listed():
    structure = Structure(9, frozenset({(0, 8), (0, 5), (1, 5), (2, 4)}))
    assert structure.multiplets() == [0, 5]


def test_each_base_has_its_partner_or_none():
    assert Structure(5, frozenset({(0, 4), (1, 3)})).partners() == [4, 3, -1, 1, 0]


def test_a_table_of_partners_cannot_hold_several():
    with pytest.raises(StructureError) as caught:
        Structure(9, frozenset({(1, 8), (1, 5)})).partners()
    assert str(caught.value) == (
        "base 2 has several partners, which this format cannot hold; write JSON Lines or TSV"
    )


def test_crossing_pairs_are_the_pseudoknot_and_what_it_crosses():
    structure = Structure(12, frozenset({(0, 6), (1, 5), (3, 9), (10, 11)}))
    assert structure.crossing_pairs() == {(0, 6), (1, 5), (3, 9)}


def test_pairs_with_a_common_base_do_not_cross():
    assert Structure(9, frozenset({(0, 4), (4, 8), (0, 8)})).crossing_pairs() == frozenset()


@settings(max_examples=50, deadline=None)
@given(any_structures(max_length=20))
def test_crossing_pairs_are_those_found_by_trying_all(structure):
    expected = {
        pair
        for (a, b), (c, d) in itertools.permutations(structure.pairs, 2)
        if a < c < b < d
        for pair in [(a, b), (c, d)]
    }
    assert structure.crossing_pairs() == expected


@pytest.mark.parametrize("sequence", ["AU", "UA", "GC", "CG", "GU", "UG"])
def test_watson_crick_and_wobble_pairs_are_canonical(sequence):
    assert is_canonical(sequence, (0, 1))


@pytest.mark.parametrize("sequence", ["AA", "AG", "CU", "GN", "UU"])
def test_other_letters_are_not_canonical(sequence):
    assert not is_canonical(sequence, (0, 1))


def test_pairs_that_are_not_canonical_can_be_left_out():
    structure = Structure(6, frozenset({(0, 5), (1, 4)}))
    assert structure.only_canonical("GAAAAC") == Structure(6, frozenset({(0, 5)}))


@pytest.mark.parametrize(
    ("sequence", "message"),
    [
        ("ACG", "record 'x': 3 bases, but a structure of 4"),
        ("", "record 'x': no sequence"),
    ],
)
def test_a_record_whose_parts_do_not_fit_is_refused(sequence, message):
    with pytest.raises(StructureError) as caught:
        StructureRecord("x", sequence, Structure(4))
    assert str(caught.value) == message


def test_letters_of_a_file_are_read_as_upper_case_rna():
    assert to_rna("acgTtN-") == "ACGUUN-"


def test_a_stem_is_a_run_of_stacked_pairs_from_the_outside():
    pairs = [(1, 8), (0, 9), (2, 7), (12, 20), (13, 18), (14, 17)]
    assert group_into_stems(pairs) == [[(0, 9), (1, 8), (2, 7)], [(12, 20)], [(13, 18), (14, 17)]]


def test_stems_of_a_pseudoknot_are_found_too():
    assert group_into_stems([(0, 6), (1, 5), (2, 9), (3, 8)]) == [
        [(0, 6), (1, 5)],
        [(2, 9), (3, 8)],
    ]


def test_no_pairs_have_no_stems():
    assert group_into_stems([]) == []


def test_the_repr_has_the_pairs_in_order_and_is_short():
    structure = Structure(9, frozenset({(1, 7), (0, 8)}))
    assert repr(structure) == "Structure(length=9, pairs={(0, 8), (1, 7)})"
    record = StructureRecord("x", "GGGAAACCC", structure)
    assert repr(record) == f"StructureRecord('x', 'GGGAAACCC', {structure!r})"
    long = Structure(1000, frozenset((base, 999 - base) for base in range(400)))
    assert repr(long).endswith("(9, 990), ... 400 pairs})")


def test_any_collection_of_whole_numbers_is_read():
    found = Structure(np.int64(9), [[0, np.int64(8)], (0, 8)])
    assert found == Structure(9, frozenset({(0, 8)}))
    assert json.dumps([found.length, *found.pairs]) == "[9, [0, 8]]"


@pytest.mark.parametrize("values", [("9",), (9.0,), (9, {(0.0, 8.0)}), (9, ["08"])])
def test_other_numbers_are_a_mistake_of_the_program(values):
    with pytest.raises(TypeError):
        Structure(*values)
    with pytest.raises(StructureError, match=r"^an RNA of -1 bases$"):
        Structure(-1)
