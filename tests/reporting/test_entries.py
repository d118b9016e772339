"""What a report shows of each record."""

from dataclasses import replace

import pytest
from factories.predictions import make_prediction

from rnaformer_cli.errors import ScoreError
from rnaformer_cli.reporting.entries import ReportEntry, add_pictures, compare_entries
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.jsonl import FamilySpan, PredictedRecord, PredictionSettings
from rnaformer_cli.structure.structure import Structure, StructureRecord

SEQUENCE = "GGAAAACC"


def reference(name, signs, sequence=SEQUENCE):
    return StructureRecord(name, sequence, parse_dot_bracket(signs))


def test_pairs_are_lines_with_bases_from_one_and_scores():
    assert ReportEntry(make_prediction(score=0.9876)).pairs_text == "1-8 G-C  0.988\n2-7 G-C  0.988"


def test_numbers_of_a_longer_rna_stand_below_each_other():
    entry = ReportEntry(make_prediction("x", "((....))....", "GGAAAACCAAAA"))
    assert entry.pairs_text == " 1-8  G-C  0.900\n 2-7  G-C  0.900"


def test_pairs_that_a_reference_lacks_are_marked_and_those_missed_are_listed():
    entry = ReportEntry(make_prediction(), reference("x", ".((..)).").structure)
    assert entry.pairs_text == "1-8 G-C  0.900 *\n2-7 G-C  0.900"
    assert entry.missed_text == "3-6 A-A"


def test_without_a_reference_nothing_is_missed():
    assert ReportEntry(make_prediction()).missed_text == ""


def test_letters_have_their_brackets_below():
    assert ReportEntry(make_prediction()).sequence_text == "GGAAAACC\n((....))"


def test_several_partners_leave_the_letters_alone():
    record = StructureRecord("x", "GGG", Structure(3, frozenset({(0, 1), (1, 2)})))
    settings = PredictionSettings("small", 1, 0.5, "raw")
    entry = ReportEntry(PredictedRecord(record, {(0, 1): 0.9, (1, 2): 0.9}, 0.5, settings))
    assert (entry.sequence_text, entry.links) == ("GGG", [])


def test_entries_keep_the_order_of_the_predictions_and_scores_that_of_the_references():
    predictions = [make_prediction("a"), make_prediction("b"), make_prediction("c")]
    references = [
        reference("c", "........"),
        reference("d", "((....))"),
        reference("a", "((....))"),
    ]
    entries, scores = compare_entries(predictions, references)
    assert [entry.record.id for entry in entries] == ["a", "b", "c"]
    assert [entry.counts and entry.counts.f1 for entry in entries] == [1.0, None, 0.0]
    assert [(score.id, score.is_missing) for score in scores] == [
        ("c", False),
        ("d", True),
        ("a", False),
    ]


def test_another_rna_is_no_reference():
    with pytest.raises(ScoreError) as caught:
        compare_entries([make_prediction("a")], [reference("a", "........", "GGAAAACU")])
    message = "record 'a': base 8 is C in the prediction, U in the reference"
    assert str(caught.value) == message


def test_the_first_entries_get_pictures():
    entries = add_pictures([ReportEntry(make_prediction(name)) for name in "abc"], 2)
    assert [len(entry.pictures) for entry in entries] == [2, 2, 0]


def test_matrices_of_the_records_are_drawn():
    asked = []

    def reader(index, record):
        asked.append((index, record.id))

    add_pictures([ReportEntry(make_prediction(name)) for name in "abc"], 2, "base", reader)
    assert asked == [(0, "a"), (1, "b")]


def test_numbers_stand_above_every_tenth_base():
    entry = ReportEntry(make_prediction("x", "." * 25, "A" * 25))
    assert entry.ruler == "        10        20"
    assert ReportEntry(make_prediction()).ruler == ""


def test_links_hold_the_structure_and_name_rfam_families():
    families = (FamilySpan("RF00005", 1, 5), FamilySpan("RF00005", 6, 8), FamilySpan("own", 6, 8))
    entry = ReportEntry(replace(make_prediction("a b"), families=families))
    name = entry.record.id
    assert entry.links == [
        (
            "forna",
            f"http://rna.tbi.univie.ac.at/forna/forna.html?id=url%2F{name}"
            "&sequence=GGAAAACC&structure=%28%28....%29%29",
        ),
        ("RNAcanvas", "https://rnacanvas.app?sequence=GGAAAACC&dot_bracket=%28%28....%29%29"),
        ("Rfam RF00005", "https://rfam.org/family/RF00005"),
    ]


def test_sequences_that_are_too_long_for_an_address_have_no_links():
    assert ReportEntry(make_prediction("x", "." * 1501, "A" * 1501)).links == []
