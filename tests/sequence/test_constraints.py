"""RNAfold's notation of constraints, and what contradicts itself."""

import numpy as np
import pytest

from rnaformer_cli.errors import ConstraintError
from rnaformer_cli.sequence.constraints import Constraints, parse_constraints


def test_every_sign_has_its_meaning():
    found = parse_constraints("([<|..)x]>")
    assert found.pairs == {(0, 6), (1, 8)}
    assert (found.downstream, found.paired) == ({2}, {3})
    assert (found.unpaired, found.upstream) == ({7}, {9})
    assert found.required == {2, 3, 9}


def test_dots_say_nothing():
    assert parse_constraints("....").is_empty
    assert not parse_constraints("...x").is_empty


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pairs": {(0, 9)}}, "bases 1 and 10 are not a pair of an RNA of 9 bases"),
        ({"pairs": {(0, 8), (0, 7)}}, "base 1 has two partners, 8 and 9"),
        ({"pairs": {(0, 8)}, "unpaired": {8}}, "base 9 must be unpaired, and must pair"),
        ({"pairs": {(0, 8)}, "upstream": {0}}, "base 1 must pair upstream, and with base 9"),
        ({"downstream": {4}, "upstream": {4}}, "base 5 must pair downstream, and must pair upstr"),
        ({"unpaired": {9}}, "base 10 is beyond the RNA, which has 9 bases"),
    ],
)
def test_contradictions_name_the_base(values, message):
    frozen = {name: frozenset(found) for name, found in values.items()}
    with pytest.raises(ConstraintError) as caught:
        Constraints(9, **frozen)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pairs": [(0, 8.0)]}, "pairs of constraints: expected a whole number, not 8.0"),
        ({"pairs": ["08"]}, "pairs of constraints: expected pairs of bases, not '08'"),
        ({"pairs": [(0, 4, 8)]}, "pairs of constraints: expected pairs of bases, not (0, 4, 8)"),
        ({"unpaired": "3"}, "unpaired of constraints: expected a whole number, not '3'"),
        ({"length": "9"}, "length of constraints: expected a whole number, not '9'"),
    ],
)
def test_values_of_another_type_are_refused(values, message):
    with pytest.raises(TypeError) as caught:
        Constraints(**{"length": 9, **values})
    assert str(caught.value) == message


def test_any_collection_of_whole_numbers_is_read():
    found = Constraints(np.int64(9), pairs=[[0, np.int64(8)]], unpaired=[3, 4])
    assert found == Constraints(9, frozenset({(0, 8)}), unpaired=frozenset({3, 4}))
    assert found.pairs == {(0, 8)}
