"""RDAT: constructs, offsets, rows with annotations, libraries."""

import pytest
from factories.probing_data import measured_sequences, to_rdat, values_of
from hypothesis import given
from hypothesis import strategies as st

from rnaformer_cli.errors import ProbingError
from rnaformer_cli.probing import rdat
from rnaformer_cli.probing.rdat import read_rdat

HEAD = "RDAT_VERSION 0.34\nNAME x\nSEQUENCE GGAAACC\nOFFSET 0\n"


def read(text):
    return list(read_rdat(text.splitlines()))


@given(measured_sequences(), st.integers(-99, 99))
def test_what_is_written_as_rdat_is_read_again(made, offset):
    sequence, values = made
    [profile] = read(to_rdat(sequence, values, offset=offset))
    assert (profile.id, profile.sequence, profile.n_bases) == ("x", sequence, len(sequence))
    assert list(values_of(profile).values()) == values


def test_version_2_with_numbers_after_the_keyword_is_read():
    [profile] = read(
        "VERSION 0.22\nNAME Med Loop\nSEQUENCE  GGAAACC\nOFFSET -10\nSEQPOS -6 -7, -8 -9\n"
        "ANNOTATION experimentType:StandardState\nANNOTATION_DATA    1   modifier:DMS\n"
        "AREA_PEAK   1    0.4   0.3   -0.2 NaN\nAREA_PEAK_ERROR 1 1 1 1 1\n"
    )
    assert (profile.id, profile.reagent, list(profile.lines)) == ("Med_Loop", "DMS", [8] * 4)
    assert values_of(profile) == {4: 0.4, 3: 0.3, 2: -0.2, 1: None}


def test_annotations_of_the_file_apply_to_its_constructs_and_rows():
    text = (
        "RDAT_VERSION 0.32\nANNOTATION\tmodifier:NMIA\ttemperature:24C\n"
        "NAME a\nSEQUENCE GA\nSEQPOS G1 A2\nANNOTATION_DATA:2\tmodifier:DMS\n"
        "REACTIVITY:1 1 2\nREACTIVITY:2 3 4\n"
        "NAME b\nSEQUENCE CU\nSEQPOS C1\tT2\nANNOTATION modifier:1M7\nREACTIVITY:1 5 6\n"
    )
    assert [(one.id, one.reagent, list(one.values)) for one in read(text)] == [
        ("a", "NMIA", [1.0, 2.0]),
        ("a", "DMS", [3.0, 4.0]),
        ("b", "1M7", [5.0, 6.0]),
    ]


def test_controls_and_mutants_are_left_out():
    text = (
        f"{HEAD}SEQPOS 1\nANNOTATION_DATA:1 modifier:None\nANNOTATION_DATA:2 mutation:G1A\n"
        "ANNOTATION_DATA:3 mutation:WT\nDATA_ANNOTATION:4 modifier:Nomod\n"
        "REACTIVITY:1 1\nREACTIVITY:2 2\nREACTIVITY:3 3\nREACTIVITY:4 4\n"
    )
    [profile] = read(text)
    assert list(profile.values) == [3.0]


def test_rows_of_a_library_have_sequences_of_their_own():
    text = (
        f"{HEAD}SEQPOS 1 2 3\nANNOTATION_DATA:1\tsequence:GG\tname:first one\n"
        "ANNOTATION_DATA:2\tsequence:GGT\nSEQUENCE:3 CCC\n"
        "REACTIVITY:1 1 2 0\nREACTIVITY:2 3 4 5\nREACTIVITY:3 6 7 8\n"
    )
    assert [(one.id, one.sequence, list(one.values)) for one in read(text)] == [
        ("first_one", "GG", [1.0, 2.0]),
        ("x:2", "GGU", [3.0, 4.0, 5.0]),
        ("x:3", "CCC", [6.0, 7.0, 8.0]),
    ]


def test_an_error_affects_its_own_row_only():
    text = (
        f"{HEAD}SEQPOS 1 2\nANNOTATION_DATA:4\tsequence:A?\n"
        "REACTIVITY:1 1\nREACTIVITY:2 1 b\nREACTIVITY:3 1 2\nREACTIVITY:4 1 2\n"
    )
    short, wrong, good, letter = read(text)
    assert str(short) == "line:7: record 'x': 1 values for 2 positions of SEQPOS"
    assert str(wrong) == (
        "line:8: record 'x': the value at position 2 is 'b'; expected a number or NA"
    )
    assert list(good.values) == [1.0, 2.0]
    assert str(letter) == "line:10: record 'x:4': '?' is not an RNA base"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("RDAT_VERSION 0.4", "line:1: RDAT version '0.4'; expected 0.2 or 0.3"),
        ("VERSION: 0.1", "line:1: RDAT version '0.1'; expected 0.2 or 0.3"),
        ("RDAT_VERSION", "line:1: RDAT version ''; expected 0.2 or 0.3"),
        (HEAD, "no REACTIVITY below a NAME; expected an RDAT file with data"),
        (f"{HEAD}SEQPOS 1 A", "line:5: 'A' in SEQPOS is not a position such as 12 or G12"),
        (f"{HEAD}OFFSET ten", "line:5: OFFSET is 'ten'; expected a whole number"),
        (f"{HEAD}SEQUENCE AC-G", "line:5: '-' is not an RNA base"),
        (f"{HEAD}REACTIVITY one 1", "line:5: REACTIVITY without a row number"),
        (
            f"{HEAD}REACTIVITY:1 1\nREACTIVITY:1 1",
            "line:6: duplicate row; the first is on line 5",
        ),
        (
            f"{HEAD}SEQPOS G1 G8",
            "line:5: record 'x': G8 in SEQPOS is not a position of the sequence (offset 0)",
        ),
        (
            f"{HEAD}SEQPOS 0",
            "line:5: record 'x': 0 in SEQPOS is not a position of the sequence (offset 0)",
        ),
        (
            f"{HEAD}SEQPOS G1 A2",
            "line:5: record 'x': A2 in SEQPOS is 'G' in the sequence (offset 0)",
        ),
        (f"{HEAD}OFFSET 0", "line:5: duplicate OFFSET in a construct or row"),
        (f"{HEAD}SEQUENCE A", "line:5: duplicate SEQUENCE in a construct or row"),
        (f"{HEAD}SEQPOS 1\nSEQPOS 2", "line:6: duplicate SEQPOS in a construct or row"),
        (
            f"{HEAD}SEQUENCE:1 A\nSEQUENCE:1 C",
            "line:6: duplicate SEQUENCE in a construct or row",
        ),
        ("RDAT_VERSION 0.3\nNAME\nSEQPOS 1\nREACTIVITY:1 1", "a construct without a name"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(text, message):
    with pytest.raises(ProbingError) as caught:
        read(text)
    assert str(caught.value) == message


def test_a_position_twice_is_refused():
    [error] = read(f"{HEAD}SEQPOS 1 1\nREACTIVITY:1 1 2")
    assert str(error) == "line:6: record 'x': duplicate value for position 1"


def test_a_file_beyond_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(rdat, "MAX_REACTIVITIES", 3)
    with pytest.raises(ProbingError) as caught:
        read(f"{HEAD}SEQPOS 1 2\nREACTIVITY:1 1 2\nREACTIVITY:2 1 2")
    assert str(caught.value) == "line:7: more than 3 values (the limit)"
