"""Holding a record means that its sequence is RNA."""

from dataclasses import replace

import pytest

from rnaformer_cli.errors import ConstraintError, SequenceError
from rnaformer_cli.sequence.constraints import parse_constraints
from rnaformer_cli.sequence.fasta import read_fasta
from rnaformer_cli.sequence.record import RnaRecord


def test_the_length_of_a_record_is_its_number_of_bases():
    assert len(RnaRecord("x", "ACGUN")) == 5


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        ("ACT", ("ACU", 0)),
        ("acgu", ("ACGU", 0)),
        (" ac\tgt\r\nnn\n", ("ACGUNN", 0)),
        ("ACRy", ("ACNN", 2)),
    ],
)
def test_a_sequence_is_normalised_as_in_fasta(sequence, expected):
    record = RnaRecord("x", sequence)
    assert (record.sequence, record.n_ambiguous) == expected
    [same] = read_fasta([">x", *sequence.splitlines()])
    assert record == same


def test_a_copy_keeps_the_number_of_ambiguous_letters():
    record = replace(RnaRecord("x", "ACRY"), id="y")
    assert (record.sequence, record.n_ambiguous) == ("ACNN", 2)


@pytest.mark.parametrize(
    ("sequence", "message"),
    [
        ("", "record 'x': no sequence"),
        (" \n", "record 'x': no sequence"),
        (
            "AC GX",
            "record 'x': base 4: 'X' is not an RNA base; expected the bases A C G U (T), "
            "N or another IUPAC code",
        ),
        (
            "AC\u017fU",
            "record 'x': base 3: '\u017f' is not an RNA base; expected the bases A C G U (T), "
            "N or another IUPAC code",
        ),
        (
            "AC-GU",
            "record 'x': base 3: '-' is a gap; expected the bases A C G U (T) without gaps: "
            "remove the gaps first",
        ),
        (
            "GG&CC",
            "record 'x': base 3: '&' separates two strands; write each strand as a separate record",
        ),
    ],
)
def test_what_is_not_rna_is_refused(sequence, message):
    with pytest.raises(SequenceError) as caught:
        RnaRecord("x", sequence)
    assert str(caught.value) == message


def test_the_repr_is_short():
    assert repr(RnaRecord("x", "GGCC", "a description")) == "RnaRecord('x', 'GGCC')"
    assert len(repr(RnaRecord("x" * 500, "GC" * 500))) < 200


def test_constraints_count_bases_without_white_space():
    constraints = parse_constraints("(.....)")
    record = RnaRecord("x", " gga aat\tC\n", constraints=constraints)
    assert (record.sequence, record.constraints) == ("GGAAAUC", constraints)
    with pytest.raises(ConstraintError) as caught:
        RnaRecord("x", "GGA AAUC", constraints=parse_constraints("(......)"))
    assert str(caught.value) == "record 'x': constraints for 8 bases, but the RNA has 7"


def test_text_of_constraints_is_not_constraints():
    with pytest.raises(TypeError) as caught:
        RnaRecord("x", "GGGGAAAACCCC", constraints="((((....))))")
    assert str(caught.value) == "constraints are given as str; parse_constraints() reads text"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"id": 5}, "id is given as int; expected text"),
        ({"sequence": None}, "sequence is given as NoneType; expected text"),
        ({"reactivities": [0.1] * 4}, "reactivities are given as list; expected Reactivities("),
    ],
)
def test_fields_of_another_type_are_refused(values, message):
    with pytest.raises(TypeError) as caught:
        RnaRecord(**{"id": "x", "sequence": "ACGU", **values})
    assert str(caught.value).startswith(message)
