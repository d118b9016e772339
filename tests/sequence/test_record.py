"""Holding a record means that its sequence is RNA."""

import pytest

from rnaformer_cli.errors import SequenceError
from rnaformer_cli.sequence.record import RnaRecord


def test_the_length_of_a_record_is_its_number_of_bases():
    assert len(RnaRecord("x", "ACGUN")) == 5


@pytest.mark.parametrize(
    ("sequence", "message"),
    [
        ("", "record 'x': no sequence"),
        ("ACT", "record 'x': 'T' at base 3 is not one of A C G U N"),
        ("a", "record 'x': 'a' at base 1 is not one of A C G U N"),
        ("AC-GU", "record 'x': '-' at base 3 is not one of A C G U N"),
    ],
)
def test_what_is_not_rna_is_refused(sequence, message):
    with pytest.raises(SequenceError) as caught:
        RnaRecord("x", sequence)
    assert str(caught.value) == message
