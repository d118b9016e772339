"""Which profile belongs to which record, and when none does."""

from dataclasses import replace

import pytest

from rnaformer_cli.errors import ProbingError
from rnaformer_cli.probing.columns import read_columns
from rnaformer_cli.probing.json_lines import read_json_lines
from rnaformer_cli.probing.matching import ProfileIndex
from rnaformer_cli.sequence.record import RnaRecord

RECORD = RnaRecord("x", "ACGUN")
CHOICES = "expected one of 1M7, 1M6, NMIA, NAI, FAI, 2A3, 5NIA, BzCN, DMS, CMCT"


def columns(*lines, path="x.shape"):
    [profile] = read_columns(lines)
    return replace(profile, path=path)


def json_profile(text, path="data.jsonl"):
    [profile] = read_json_lines([text])
    return replace(profile, path=path)


def index_of(*profiles, reagent=None):
    index = ProfileIndex(reagent)
    for profile in profiles:
        index.add(profile)
    return index


def test_positions_without_a_row_have_no_value():
    record = index_of(columns("4 0.5", "2 NA", "1 -0.1")).attach(RECORD)
    assert record.reactivities.values == (-0.1, None, None, 0.5, None)
    assert replace(record, reactivities=None) == RECORD


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("folder/x.shape", "x"),
        ("x.shape.gz", "x"),
        ("NR_003287.4.dat", "NR_003287.4"),
        ("a_b.shape", "a/b"),
    ],
)
def test_a_file_of_one_rna_is_of_the_record_that_it_is_named_after(path, name):
    index = index_of(columns("1 0.5", path=path))
    assert index.attach(replace(RECORD, id="other")).reactivities is None
    assert index.attach(replace(RECORD, id=name)).reactivities.values[0] == 0.5
    assert index.unmatched() == []


def test_names_of_files_are_not_those_of_profiles_with_an_id():
    index = index_of(json_profile('{"id": "a_b", "reactivity": [1, 1, 1, 1, 1]}'))
    assert index.attach(replace(RECORD, id="a/b")).reactivities is None


def test_the_only_file_is_of_the_only_record():
    index = index_of(columns("1 0.5", path="any.shape"))
    assert index.attach(RECORD).reactivities is None
    assert index.attach(RECORD, is_only=True).reactivities.values[0] == 0.5


def test_one_of_two_files_is_not_of_the_only_record():
    files = [columns("1 0.5", path=path) for path in ("a.shape", "b.shape")]
    assert index_of(*files).attach(RECORD, is_only=True).reactivities is None


@pytest.mark.parametrize(("sequence", "is_taken"), [("ACGUN", True), ("ACGUA", False)])
def test_a_profile_of_another_id_is_of_the_only_record_if_the_sequence_is(sequence, is_taken):
    text = f'{{"id": "y", "reactivity": [1, 1, 1, 1, 1], "seq": "{sequence}"}}'
    record = index_of(json_profile(text)).attach(RECORD, is_only=True)
    assert (record.reactivities is not None) is is_taken


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1 1", "6 1"], "x.shape:2: record 'x': position 6 is beyond the RNA, which has 5 bases"),
        (["1 A 1", "2 G 1"], "x.shape:2: record 'x': 'G' at position 2, but the RNA has 'C'"),
    ],
)
def test_data_of_another_rna_are_refused_at_their_line(lines, message):
    with pytest.raises(ProbingError) as caught:
        index_of(columns(*lines)).attach(RECORD)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ('"reactivity": [1, 1]', "data for 2 bases, but the RNA has 5"),
        ('"reactivity": [1, 1, 1, 1, 1, 1]', "position 6 is beyond the RNA, which has 5 bases"),
        (
            '"reactivity": [1, 1, 1, 1, 1], "seq": "ACCUU"',
            "'C' at position 3, but the RNA has 'G'",
        ),
        (
            '"reactivity": [1, 1, 1, 1, 1], "modifier": "soap"',
            f"'soap' is not a known reagent; {CHOICES}",
        ),
    ],
)
def test_data_for_each_base_have_the_bases_of_the_rna(fields, message):
    with pytest.raises(ProbingError) as caught:
        index_of(json_profile(f'{{"id": "x", {fields}}}')).attach(RECORD)
    assert str(caught.value) == f"data.jsonl:1: record 'x': {message}"


def test_unknown_letters_fit_any_base():
    record = index_of(columns("3 R 1", "5 C 1")).attach(RECORD)
    assert record.reactivities.values == (None, None, 1.0, None, 1.0)


def with_reagent(reagent, value):
    field = f', "modifier": "{reagent}"' if reagent else ""
    return json_profile(f'{{"id": "x", "reactivity": [{value}, 1, 1, 1, 1]{field}}}')


@pytest.mark.parametrize(
    ("said", "wanted", "found"),
    [("dms", None, "DMS"), (None, None, None), (None, "1M7", "1M7"), ("soap", "1M7", "1M7")],
)
def test_the_requested_reagent_replaces_that_of_the_file(said, wanted, found):
    record = index_of(with_reagent(said, 1), reagent=wanted).attach(RECORD)
    assert record.reactivities.reagent == found


def test_of_several_profiles_the_reagent_chooses_one():
    profiles = [with_reagent("DMS", 1), with_reagent("1m7", 2)]
    assert index_of(*profiles, reagent="1M7").attach(RECORD).reactivities.values[0] == 2.0
    for wanted in (None, "NAI"):
        with pytest.raises(ProbingError) as caught:
            index_of(*profiles, reagent=wanted).attach(RECORD)
        message = "2 profiles (1m7, DMS); --reagent chooses one"
        assert str(caught.value) == f"data.jsonl:1: record 'x': {message}"


@pytest.mark.parametrize("wanted", [None, "DMS"])
def test_two_profiles_of_one_reagent_are_refused(wanted):
    profiles = [with_reagent("DMS", 1), with_reagent("DMS", 2)]
    with pytest.raises(ProbingError) as caught:
        index_of(*profiles, reagent=wanted).attach(RECORD)
    assert str(caught.value) == "data.jsonl:1: record 'x': 2 profiles (DMS)"


def test_unreadable_data_exclude_other_data_of_the_same_id():
    index = index_of(with_reagent("DMS", 1))
    index.add_error(ProbingError("no good", record="x"))
    index.add_error(ProbingError("no good"))
    assert index.attach(RECORD) == RECORD
    assert index.unmatched() == []


def test_profiles_without_a_record_are_reported():
    index = index_of(with_reagent("DMS", 1), columns("1 1", path="data/y.shape"))
    assert index.attach(replace(RECORD, id="z")).reactivities is None
    assert [str(error) for error in index.unmatched()] == [
        "data.jsonl:1: no record 'x'",
        "data/y.shape: no record 'y'; a file without ids is named after its record",
    ]


def test_a_file_is_not_of_two_records_with_other_sequences():
    index = index_of(columns("1 0.5", path="x_y.shape"))
    first = replace(RECORD, id="x/y")
    assert index.attach(first).reactivities is not None
    assert index.attach(replace(first, id="x_y")).reactivities is not None  # the same RNA
    with pytest.raises(ProbingError) as caught:
        index.attach(RnaRecord("x_y", "CCCCC"))
    message = "the data of 'x_y' belong to a record with another sequence"
    assert str(caught.value) == f"x_y.shape:1: record 'x_y': {message}"


def test_equal_profiles_of_two_files_are_one():
    twice = index_of(*(columns("1 0.5", "2 NA", path=path) for path in ("x.shape", "b/x.shape")))
    assert twice.attach(RECORD).reactivities.values == (0.5, None, None, None, None)
    mixed = index_of(*map(with_reagent, ("DMS", "1M7", "DMS"), (1, 2, 1)), reagent="DMS")
    assert mixed.attach(RECORD).reactivities.values[0] == 1.0
