"""Pseudoknots of sequences that no family matches."""

from dataclasses import replace

import numpy as np
import pytest

from rnaformer_cli import Options, RnaRecord, load
from rnaformer_cli.structure.brackets import parse_dot_bracket

TRNA = "GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCCUGUGUUCGAUCCACAGAAUUCGCACCA"
# name -> sequence, structure of the publication, least number of its pairs that must be predicted
KNOWN = {
    # frameshifting of beet western yellows virus, PDB 437D
    "BWYV": (
        "GGCGCGGCACCGUCCGCGGAACAAACGG",
        "..(((((..[[[.))))).......]]]",
        8,
    ),
    # human telomerase RNA without the bulge, PDB 2K95
    "telomerase": (
        "GGGCUGUUUUUCUCGCUGACUUUCAGCCCCAAACAAAAAAGUCAGCA",
        "((((((........[[[[[[[[[))))))........]]]]]]]]].",
        14,
    ),
    # gene 32 messenger RNA of phage T2, PDB 2TPK
    "T2 gene 32": (
        "GCUGACCAGCUAUGAGGUCAUACAUCGUCAUAGCAC",
        "..(((((.[[[[[[[))))).......]]]]]]]..",
        11,
    ),
}


@pytest.fixture(scope="module")
def predictor():
    return load(device="cpu")


@pytest.fixture(scope="module")
def nested():
    return load(options=Options(pseudoknots=False), device="cpu")


@pytest.mark.parametrize("name", KNOWN)
def test_known_pseudoknots_are_predicted(predictor, name):
    sequence, dot_bracket, least = KNOWN[name]
    known = parse_dot_bracket(dot_bracket).pairs
    predicted = predictor.predict(sequence).structure
    assert len(predicted.pairs & known) >= least
    assert predicted.crossing_pairs() & known


def test_they_are_not_predicted_without_the_option(nested):
    assert not nested.predict(KNOWN["BWYV"][0]).structure.crossing_pairs()


def test_a_sequence_of_a_family_keeps_its_scores(predictor, nested):
    prediction = predictor.predict(TRNA)
    assert prediction.recognised > 0.5
    np.testing.assert_array_equal(predictor.score(TRNA), nested.score(TRNA))


def test_a_group_of_records_has_the_pseudoknots_of_each(predictor):
    records = [RnaRecord(name, sequence) for name, (sequence, *_) in KNOWN.items()]
    together = list(predictor.predict([*records, RnaRecord("tRNA", TRNA)]))
    for prediction, record in zip(together, records, strict=False):
        alone = predictor.predict(record)
        assert prediction.structure == alone.structure
        assert prediction.confidence == pytest.approx(alone.confidence, abs=1e-4)


@pytest.mark.parametrize("options", [{"like": "computed"}, {"decoding": "nested"}])
def test_programs_without_pseudoknots_are_imitated_without_them(options):
    sequence = KNOWN["BWYV"][0]
    default = load(options=Options(**options), device="cpu")
    without = load(options=Options(**options, pseudoknots=False), device="cpu")
    np.testing.assert_array_equal(default.score(sequence), without.score(sequence))


def test_memory_for_pseudoknots_counts():
    record = RnaRecord("x", "ACGU" * 90)
    limit = Options(max_memory=80_000_000)
    refused, *_ = load(options=limit, device="cpu").predict([record])
    assert "needs" in refused.message
    without = replace(limit, pseudoknots=False)
    (predicted,) = load(options=without, device="cpu").predict([record])
    assert predicted.record is record


def test_windows_have_no_pseudoknots():
    sequence = KNOWN["BWYV"][0] + "AAAAA"
    predictor = load(options=Options(window=30), device="cpu")
    assert not predictor.predict(sequence).structure.crossing_pairs()
    whole = load(device="cpu").predict(sequence).structure
    assert whole.crossing_pairs()


def test_the_command_line_can_leave_them_out(run_cli, tmp_path):
    (tmp_path / "a.fa").write_text(f">bwyv\n{KNOWN['BWYV'][0]}\n")
    assert "[" in run_cli("predict", tmp_path / "a.fa").out
    assert "[" not in run_cli("predict", tmp_path / "a.fa", "--no-pseudoknots").out


def test_a_resumed_run_has_the_same_choice(run_cli, tmp_path):
    (tmp_path / "a.fa").write_text(f">bwyv\n{KNOWN['BWYV'][0]}\n")
    command = ("predict", tmp_path / "a.fa", "--out-dir", tmp_path / "out")
    assert run_cli(*command).code == 0
    again = run_cli(*command, "--resume", "--no-pseudoknots")
    assert again.code == 1
    assert "was made with pseudoknots True, not False" in again.err
