"""Dot-bracket notation: read, written, layered, and refused by base."""

import itertools
import time

import pytest
from conftest import any_structures
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.brackets import (
    BRACKETS,
    format_dot_bracket,
    nested_layers,
    parse_dot_bracket,
)
from rnaformer_cli.structure.structure import Structure

LEVELS = 30


def crossing(count):
    """Pairs of which every two cross, in stems of one."""
    return Structure(2 * count, frozenset((index, index + count) for index in range(count)))


def is_crossing_free(pairs):
    return not any(a < c < b < d for (a, b), (c, d) in itertools.permutations(pairs, 2))


def largest_crossing_free(pairs):
    """The size of a largest crossing-free set, by trying all from the largest."""
    return next(
        size
        for size in range(len(pairs), -1, -1)
        if any(is_crossing_free(choice) for choice in itertools.combinations(pairs, size))
    )


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", []),
        ("....", []),
        (".,-:_~", []),
        ("((.))", [(0, 4), (1, 3)]),
        ("([)]", [(0, 2), (1, 3)]),
        ("(<{[AaZ]}>)z", [(0, 10), (1, 9), (2, 8), (3, 7), (4, 5), (6, 11)]),
        ("()()", [(0, 1), (2, 3)]),
    ],
)
def test_brackets_are_read_as_pairs(text, pairs):
    assert parse_dot_bracket(text) == Structure(len(text), frozenset(pairs))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (")", "')' at base 1 closes nothing"),
        ("(]", "']' at base 2 closes nothing"),
        ("()a", "'a' at base 3 closes nothing"),
        ("(.(.)", "'(' at base 1 is never closed"),
        ("((.", "'(' at base 2 is never closed"),
        ("(.[.", "'(' at base 1 is never closed"),
        ("ACGU", "'A' at base 1 is never closed"),
        ("(.+.)", "'+' at base 3 is not dot-bracket notation"),
        ("(. )", "' ' at base 3 is not dot-bracket notation"),
        ("(&)", "'&' at base 2: two strands; a structure of one strand is expected"),
    ],
)
def test_broken_notation_names_the_base(text, message):
    with pytest.raises(StructureError) as caught:
        parse_dot_bracket(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "((..[[..))..]].",
        "((((..[[..))..]]..))",
        "([{)]}",
        "[[(((..]]..)))",
    ],
)
def test_pairs_are_written_with_a_new_bracket_for_each_level(text):
    assert format_dot_bracket(parse_dot_bracket(text)) == text


def test_the_largest_set_of_stems_has_the_round_brackets():
    assert format_dot_bracket(parse_dot_bracket("((..[[[..))..]]]")) == "[[..(((..]]..)))"


def test_a_base_with_several_partners_is_refused():
    with pytest.raises(StructureError) as caught:
        format_dot_bracket(Structure(9, frozenset({(0, 8), (0, 4)})))
    assert str(caught.value) == (
        "base 1 has several partners, which this format cannot hold; write JSON Lines or TSV"
    )


@settings(max_examples=100, deadline=None)
@given(any_structures())
def test_writing_then_reading_gives_the_same_pairs(structure):
    assert parse_dot_bracket(format_dot_bracket(structure)) == structure


@settings(max_examples=60, deadline=None)
@given(any_structures(max_length=16))
def test_the_first_layer_is_a_largest_crossing_free_set(structure):
    [first, *_] = [*nested_layers(structure), []]
    assert is_crossing_free(first)
    assert len(first) == largest_crossing_free(structure.pairs)


@settings(max_examples=60, deadline=None)
@given(any_structures())
def test_layers_partition_all_pairs_and_never_grow(structure):
    layers = nested_layers(structure)
    assert sorted(pair for layer in layers for pair in layer) == structure.sorted_pairs
    assert all(is_crossing_free(layer) for layer in layers)
    assert sorted(map(len, layers), reverse=True) == [len(layer) for layer in layers]


@settings(max_examples=30, deadline=None)
@given(any_structures(), st.randoms())
def test_brackets_do_not_depend_on_the_order_of_the_pairs(structure, random):
    pairs = structure.sorted_pairs
    random.shuffle(pairs)
    again = Structure(structure.length, frozenset(pairs))
    assert format_dot_bracket(again) == format_dot_bracket(structure)


def test_there_are_thirty_kinds_of_brackets():
    assert len(BRACKETS) == LEVELS
    assert BRACKETS[:5] + BRACKETS[-1:] == ["()", "[]", "{}", "<>", "Aa", "Zz"]


def test_thirty_levels_can_be_written():
    text = format_dot_bracket(crossing(LEVELS))
    assert set(text) == set("".join(BRACKETS))
    assert parse_dot_bracket(text) == crossing(LEVELS)


@pytest.mark.parametrize("count", [31, 400])
def test_more_levels_are_refused_at_once(count):
    start = time.perf_counter()
    with pytest.raises(StructureError) as caught:
        format_dot_bracket(crossing(count))
    assert str(caught.value) == (
        "pairs cross on more than 30 levels, which dot-bracket cannot hold; "
        "write CT, BPSEQ or JSON Lines"
    )
    assert time.perf_counter() - start < 5


def test_pairs_past_the_last_bracket_come_as_one_layer():
    layers = nested_layers(crossing(35))
    assert [len(layer) for layer in layers] == [1] * LEVELS + [5]


@settings(max_examples=200, deadline=None)
@example("")
@given(st.text(st.sampled_from("()[]{}<>AaBb.,-:_~ x&"), max_size=20) | st.text(max_size=10))
def test_any_text_is_a_structure_or_refused(text):
    try:
        assert parse_dot_bracket(text).length == len(text)
    except StructureError as error:
        assert "at base" in error.message
