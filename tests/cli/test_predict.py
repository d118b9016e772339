"""`rnaformer predict`: what it reads, what it writes, and its messages about bad input."""

import gzip
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from rnaformer_cli import Options, RnaRecord, count_pairs, load, read_fasta, read_structures
from rnaformer_cli.cli.main import run as run_command
from rnaformer_cli.prediction.device import has_bf16
from rnaformer_cli.structure import nesting

HAIRPIN = ">hairpin\nGGGGAAAACCCC\n"
LONG = "GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCC"
MIXED = (
    ">middle\nGGGGGAAAACCCCCAAA\n>short\nACGU\n>long a description\n"
    f"{LONG}\n>second\nGGGGAAAACCCC\n"
)
IDS = ["middle", "short", "long", "second"]
BAD = ">good\nGGGGAAAACCCC\n>gap\nACG-U\n>also\nACGU\n"
EXPECTED = "expected the bases A C G U (T)"
GAP = f"stdin:4:4: record 'gap': '-' is a gap; {EXPECTED} without gaps: remove the gaps first"
GAP_LINE = f"rnaformer: {GAP}\n"


def ids(text):
    return [line[1:].split()[0] for line in text.splitlines() if line.startswith(">")]


def records_of(text, suffix="dbn"):
    Path(f"read.{suffix}").write_text(text)
    return list(read_structures(f"read.{suffix}"))


# The confidence of a structure


def confidences(run_cli, tiny_weights, *arguments, stdin=MIXED):
    return run_cli("predict", "-", "-w", tiny_weights, "--device", "cpu", *arguments, stdin=stdin)


def test_headers_of_dot_bracket_have_the_confidence(run_cli, tiny_weights):
    rows = confidences(run_cli, tiny_weights, "-f", "jsonl").out.splitlines()
    expected = [f">{row['id']} confidence={row['confidence']:.2f}" for row in map(json.loads, rows)]
    found = confidences(run_cli, tiny_weights).out
    assert found.splitlines()[::3] == expected
    plain = confidences(run_cli, tiny_weights, "--plain-headers").out
    assert plain.splitlines()[::3] == [f">{name}" for name in IDS]
    assert [record.id for record in records_of(found)] == IDS
    assert [(r.sequence, r.structure) for r in records_of(found)] == [
        (r.sequence, r.structure) for r in records_of(plain)
    ]


def test_records_of_low_confidence_are_counted_at_the_end(run_cli, tiny_weights):
    finished = confidences(run_cli, tiny_weights)
    expected = "4 of 4 records have a confidence below 0.5 (see docs/output.md)"
    assert (finished.err, finished.code) == (f"rnaformer: warning: {expected}\n", 0)
    one = confidences(run_cli, tiny_weights, stdin=HAIRPIN).err
    expected = "1 of 1 record has a confidence below 0.5 (see docs/output.md)"
    assert one == f"rnaformer: warning: {expected}\n"
    assert confidences(run_cli, tiny_weights, "--quiet").err == ""


def test_confident_records_cause_no_warning(run_cli, examples_folder):
    assert run_cli("predict", examples_folder / "rnas.fasta", "--threads", 1).err == ""


def test_a_record_without_pairs_has_no_confidence(run_cli):
    finished = run_cli("predict", "-", "--threads", 1, stdin=f">one\nA\n>poly\n{'A' * 40}\n")
    assert finished.out.splitlines()[::3] == [">one confidence=0.00", ">poly confidence=0.00"]
    assert "2 of 2 records have a confidence below 0.5" in finished.err


# What the shipped weights predict


def test_the_shipped_weights_find_the_cloverleaf_of_a_trna(run_cli, examples_folder):
    finished = run_cli("predict", examples_folder / "rnas.fasta", "--threads", 1)
    found = {record.id: record for record in records_of(finished.out)}
    known = {record.id: record for record in read_structures(examples_folder / "rnas.dbn")}
    assert list(found) == list(known)
    assert [found[name].sequence for name in known] == [r.sequence for r in known.values()]
    assert count_pairs(found["tRNA-Phe"].structure, known["tRNA-Phe"].structure).f1 >= 0.6
    assert (finished.err, finished.code) == ("", 0)


def test_figures_against_references_follow_on_stderr(run_cli, examples_folder):
    arguments = ("predict", examples_folder / "rnas.fasta", "--ref", examples_folder / "rnas.dbn")
    finished = run_cli(*arguments, "--threads", 1)
    rows = finished.err.splitlines()
    assert ids(finished.out) == [row.split()[0] for row in rows[1:5]]
    assert rows[0].split() == ["id", "length", "precision", "recall", "F1", "MCC"]
    assert float(rows[1].split()[4]) >= 0.6
    assert finished.code == 0


def test_a_prediction_does_not_depend_on_the_batch():
    records = list(read_fasta(MIXED.splitlines()))
    alone, together = (
        list(
            load(options=Options(max_cells=cells, keep_scores=True), device="cpu").predict(records)
        )
        for cells in (1, 1_000_000)
    )
    assert [one.record for one in alone] == [one.record for one in together] == records
    assert [one.structure for one in alone] == [one.structure for one in together]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


# Where it writes, and in what format


def test_records_come_in_the_order_of_the_input_whatever_their_lengths(run_predict):
    finished = run_predict("-", stdin=MIXED)
    assert ids(finished.out) == IDS
    assert [record.sequence for record in records_of(finished.out)] == [
        line for line in MIXED.splitlines() if not line.startswith(">")
    ]


def test_the_same_input_gives_the_same_bytes(run_predict):
    arguments = ("-", "-f", "tsv", "--threshold", 0.1)
    first, again = (run_predict(*arguments, stdin=MIXED).out for _ in range(2))
    assert first == again
    assert len(first.splitlines()) > 10


def test_the_order_of_the_input_changes_nothing_but_the_order(run_predict):
    arguments = ("-", "--threshold", 0.1)
    forward = records_of(run_predict(*arguments, stdin=MIXED).out)
    reads = [">" + text for text in MIXED.split(">")[1:]]
    backward = records_of(run_predict(*arguments, stdin="".join(reversed(reads))).out)
    assert backward[::-1] == forward
    assert any(record.structure.pairs for record in forward)


def test_json_lines_have_every_field_of_each_record(run_predict, tiny_weights):
    finished = run_predict("-", "-f", "jsonl", "--threshold", 0.1, stdin=MIXED)
    rows = [json.loads(line) for line in finished.out.splitlines()]
    assert [row["id"] for row in rows] == IDS
    long = rows[2]
    assert list(long) == [
        *("schema_version", "id", "description", "length", "sequence", "structure", "pairs"),
        *("multiplets", "confidence", "family", "family_name", "recognised", "families"),
        *("model", "cycles", "threshold", "decoding", "seconds", "warnings"),
    ]
    checksum = json.loads((tiny_weights / "config.json").read_text())["sha256"]
    expected = {
        "schema_version": 1,
        "description": "a description",
        "length": 49,
        "multiplets": [],
        "family": None,
        "recognised": 0.0,
        "model": f"tiny@{checksum[:8]}",
        "cycles": 2,
        "threshold": 0.1,
        "decoding": "mea",
        "warnings": [],
    }
    assert {name: long[name] for name in expected} == expected
    assert 0 <= long["confidence"] <= 1
    assert long["seconds"] > 0
    assert all(0.1 < score <= 1 for row in rows for _, _, score in row["pairs"])


def test_json_pairs_are_those_of_the_dot_bracket(run_predict):
    [row] = map(
        json.loads,
        run_predict("-", "-f", "jsonl", "--threshold", 0.1, stdin=HAIRPIN).out.split("\n")[:-1],
    )
    [record] = records_of(f">x\n{row['sequence']}\n{row['structure']}\n")
    assert [[i - 1, j - 1] for i, j, _ in row["pairs"]] == [
        list(p) for p in sorted(record.structure.pairs)
    ]
    assert row["pairs"]


def test_tsv_lists_the_scores_above_the_threshold_once_a_pair(run_predict):
    finished = run_predict("-", "-f", "tsv", "--threshold", 0.4, stdin=MIXED)
    [header, *rows] = [line.split("\t") for line in finished.out.splitlines()]
    assert header == ["id", "i", "j", "score"]
    pairs = [(name, int(left), int(right)) for name, left, right, _ in rows]
    assert all(1 <= left < right <= 49 for _, left, right in pairs)
    assert all(float(score) >= 0.4 for *_, score in rows)
    assert len(set(pairs)) == len(pairs) > 10
    assert pairs == sorted(pairs, key=lambda pair: (IDS.index(pair[0]), pair[1:]))


@pytest.mark.parametrize("name", ["ct", "bpseq", "jsonl"])
def test_every_format_holds_the_same_structure(run_predict, name):
    dbn = run_predict("-", "--threshold", 0.1, stdin=HAIRPIN).out
    other = run_predict("-", "-f", name, "--threshold", 0.1, stdin=HAIRPIN).out
    [expected], [found] = records_of(dbn), records_of(other, name)
    assert (found.sequence, found.structure) == (expected.sequence, expected.structure)
    assert expected.structure.pairs


def test_a_second_record_in_a_format_for_one_ends_the_run(run_predict):
    finished = run_predict("-", "-f", "bpseq", stdin=HAIRPIN + ">b\nACGU\n>c\nACGU\n")
    message = "a bpseq file holds one record; use --out-dir"
    assert finished.err == f"rnaformer: record 'b': {message}\n"
    assert finished.code == 1
    assert [len(record.sequence) for record in records_of(finished.out, "bpseq")] == [12]


def test_a_second_record_of_a_file_is_refused_before_the_run(run_predict):
    Path("in.fa").write_text(">bad\nX\n" + HAIRPIN + ">b\nACGU\n")
    finished = run_predict("in.fa", "-f", "bpseq")
    message = "record 'b': a bpseq file holds one record; use --out-dir"
    assert (finished.out, finished.err, finished.code) == ("", f"rnaformer: {message}\n", 1)
    part = run_predict("in.fa", "-f", "bpseq", "--shard", "3/3")
    assert (len(part.out.splitlines()), part.err, part.code) == (4, "", 0)


def test_several_records_in_one_ct_file_are_read_back(run_predict):
    expected = records_of(run_predict("-", stdin=MIXED).out)
    found = records_of(run_predict("-", "-f", "ct", stdin=MIXED).out, "ct")
    assert [(r.id, r.sequence, r.structure) for r in found] == [
        (r.id, r.sequence, r.structure) for r in expected
    ]


@pytest.mark.parametrize("name", ["dbn", "ct", "jsonl", "tsv"])
def test_an_output_file_is_compressed_if_its_name_says_so(run_predict, name):
    run_predict("-", "-o", f"out.{name}", stdin=MIXED)
    run_predict("-", "-o", f"out.{name}.gz", "--table", "t.tsv.gz", stdin=MIXED)
    run_predict("-", "-o", "again.gz", "-f", name, stdin=MIXED)
    packed = Path(f"out.{name}.gz").read_bytes()
    plain = re.sub(r'"seconds": [\d.e-]+', "", Path(f"out.{name}").read_text())
    assert re.sub(r'"seconds": [\d.e-]+', "", gzip.decompress(packed).decode()) == plain
    assert gzip.decompress(Path("t.tsv.gz").read_bytes()).startswith(b"id\tlength")
    assert name == "jsonl" or Path("again.gz").read_bytes() == packed


def test_failures_are_compressed_too(run_predict):
    run_predict("-", "--failures", "f.tsv.gz", stdin=BAD)
    assert b"\tgap\t" in gzip.decompress(Path("f.tsv.gz").read_bytes())


# Sequences without FASTA


def test_bare_sequences_on_standard_input_are_predicted(run_predict):
    finished = run_predict("-", stdin="\nGGGGAAAACCCC\n; a comment\nacgt\n")
    assert (ids(finished.out), finished.err, finished.code) == (
        ["sequence_1", "sequence_2"],
        "",
        0,
    )
    assert [record.sequence for record in records_of(finished.out)] == ["GGGGAAAACCCC", "ACGU"]


def test_a_bad_bare_sequence_is_reported_with_its_line(run_predict):
    finished = run_predict("-", stdin="ACGU\nAC-U\nGG\n>x\nA\n")
    gap = f"'-' is a gap; {EXPECTED} without gaps: remove the gaps first"
    header = "a FASTA header after sequences without one; expected one kind of input"
    assert finished.err.splitlines() == [
        f"rnaformer: stdin:2:3: record 'sequence_2': {gap}",
        f"rnaformer: stdin:4:1: {header}",
    ]
    assert (ids(finished.out), finished.code) == (["sequence_1", "sequence_3"], 1)


def test_sequences_are_given_by_an_option(run_predict):
    finished = run_predict("--seq", "GGGGAAAACCCC", "--seq", "ACXU")
    message = "--seq:2:3: record 'sequence_2': 'X' is not an RNA base"
    assert finished.err.startswith(f"rnaformer: {message}")
    assert ids(finished.out) == ["sequence_1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" ", "the text is empty"),
        (">a\nGGGGAAAACCCC", "expected a sequence without a FASTA header"),
        ("; GGGGAAAACCCC", "expected a sequence without a FASTA header"),
    ],
)
def test_the_option_takes_a_sequence_alone(run_predict, text, message):
    finished = run_predict("--seq", text)
    assert finished.err.endswith(f"Error: Invalid value for '--seq': {message}\n")
    assert (finished.out, finished.code) == ("", 2)


def test_bare_sequences_of_stdin_number_on_after_those_of_the_option(run_predict):
    given = ("--seq", "GGGGAAAACCCC", "--seq", "ACGU")
    finished = run_predict("-", *given, stdin="GGGGAAAACC\nACG-U\n")
    assert ids(finished.out) == ["sequence_1", "sequence_2", "sequence_3"]
    assert finished.err.startswith("rnaformer: stdin:2:4: record 'sequence_4': '-' is a gap")


def test_a_sequence_instead_of_a_file_names_the_option(run_predict):
    finished = run_predict("GGGGAAAACCCC")
    message = "no such file or directory; --seq GGGGAAAACCCC predicts this sequence"
    assert finished.err == f"rnaformer: GGGGAAAACCCC: {message}\n"
    assert run_predict("GGX.fa").err == "rnaformer: GGX.fa: no such file or directory\n"


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("out.dbn", ">hairpin\nGGGG"),
        ("out.txt", ">hairpin\nGGGG"),
        ("out", ">hairpin\nGGGG"),
        ("out.ct", "   12  hairpin\n    1 G "),
        ("out.bpseq", "1 G "),
        ("out.jsonl", '{"schema_version": 1, "id": "hairpin"'),
        ("out.tsv", "id\ti\tj\tscore\n"),
    ],
)
def test_an_output_file_has_the_format_of_its_suffix(run_predict, name, start):
    finished = run_predict("-", "-o", name, stdin=HAIRPIN)
    assert Path(name).read_text().startswith(start)
    assert (finished.out, finished.err, finished.code) == ("", "", 0)
    assert os.listdir() == [name]


def test_an_output_file_is_what_stdout_would_be(run_predict):
    run_predict("-", "-o", "out.dbn", stdin=MIXED)
    assert Path("out.dbn").read_text() == run_predict("-", stdin=MIXED).out


def test_with_an_output_file_the_figures_go_to_stdout(run_predict, examples_folder):
    fasta = examples_folder / "rnas.fasta"
    finished = run_predict(fasta, "-o", "out.dbn", "--ref", examples_folder / "rnas.dbn")
    assert finished.out.startswith("id               length  precision")
    assert (finished.err, finished.code, os.listdir()) == ("", 0, ["out.dbn"])


def test_a_record_that_failed_is_missing_from_the_figures(run_predict):
    Path("ref.dbn").write_text(">good\nGGGGAAAACCCC\n((((....))))\n>gap\nACGU\n....\n")
    finished = run_predict("-", "--ref", "ref.dbn", stdin=BAD)
    [error, missing, extra, *table] = finished.err.splitlines()
    assert error + "\n" == GAP_LINE
    assert missing == "rnaformer: warning: no prediction for gap"
    assert extra == "rnaformer: warning: no reference for also"
    assert [line.split()[0] for line in table[:3]] == ["id", "good", "gap"]
    assert finished.code == 1


def test_references_of_other_rnas_are_left_out_and_counted(run_predict):
    pairs = "GGGGAAAACCCC\n((((....))))\n"
    Path("ref.dbn").write_text(f">x\n{pairs}>hairpin\n{pairs}>hairpin\n{pairs}>y\n{pairs}")
    finished = run_predict("-", "--ref", "ref.dbn", "-o", "out.dbn", stdin=HAIRPIN)
    note = "3 references without a record in the input are left out"
    assert finished.err == f"rnaformer: {note}\n"
    assert [line.split()[0] for line in finished.out.splitlines()[:3]] == ["id", "hairpin", "mean"]
    assert "mean of 1 " in finished.out


def test_a_reference_of_another_rna_is_an_error_after_the_structures(run_predict):
    Path("ref.dbn").write_text(">hairpin\nGGGGAAAACCCA\n((((....))))\n")
    finished = run_predict("-", "--ref", "ref.dbn", stdin=HAIRPIN)
    message = "base 12 is C in the prediction, A in the reference"
    kept = "; the predictions are written, without scores"
    assert finished.err == f"rnaformer: record 'hairpin': {message}{kept}\n"
    assert (ids(finished.out), finished.code) == (["hairpin"], 1)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (">hairpin\nGGGGAAAACCCA\n", "record 'hairpin': base 12 is C in the prediction, A in the"),
        (">x\nGGGGAAAACCCC\n....\n>y\nGGGGAAAACCCC\n", "no id in common: predictions 'hairpin'; "),
    ],
)
def test_references_of_other_rnas_end_the_run_before_it_begins(run_predict, reference, message):
    Path("in.fa").write_text(HAIRPIN)
    Path("ref.dbn").write_text(reference.replace("....", "((((....))))") + "((((....))))\n")
    finished = run_predict("in.fa", "--ref", "ref.dbn", "-o", "out.dbn")
    assert finished.err.startswith(f"rnaformer: {message}")
    assert finished.out == ""
    assert (finished.code, sorted(os.listdir())) == (1, ["in.fa", "ref.dbn"])


def test_a_reference_that_cannot_be_read_ends_the_run_before_it_begins(run_predict):
    finished = run_predict("-", "--ref", "none.dbn", "-o", "out.dbn", stdin=HAIRPIN)
    assert finished.err == "rnaformer: none.dbn: no such file or directory\n"
    assert (finished.code, os.listdir()) == (1, [])


# How it decodes


def test_nested_decoding_crosses_no_pairs_and_matching_may(run_predict):
    reads = "".join(f">r{n}\n{LONG[n:]}\n" for n in range(6))
    matching = records_of(
        run_predict("-", "--threshold", 0, "--decode", "matching", stdin=reads).out
    )
    nested = records_of(run_predict("-", "--threshold", 0, "--decode", "nested", stdin=reads).out)
    assert not any(record.structure.crossing_pairs() for record in nested)
    assert any(record.structure.crossing_pairs() for record in matching)
    for record in (*matching, *nested):  # partners() refuses a base with two
        assert sum(base >= 0 for base in record.structure.partners()) >= 20
        assert all(right - left > 3 for left, right in record.structure.pairs)


def test_a_record_whose_pairs_cross_at_too_many_places_fails_alone(run_predict, monkeypatch):
    monkeypatch.setattr(nesting, "MAX_ENDS", 12)
    finished = run_predict("-", "--decode", "nested", "--threshold", 0.0, "--quiet", stdin=MIXED)
    message = "more than 12 ends of crossing helices (the limit)"
    expected = [f"rnaformer: record {name!r}: {message}" for name in ("middle", "long")]
    assert (ids(finished.out), finished.err.splitlines()) == (["short", "second"], expected)
    assert finished.code == 1


def test_a_record_is_refused_by_its_memory_whatever_its_batch(run_predict):
    finished = run_predict("-", "--max-memory", 0, "--quiet", stdin=MIXED)
    expected = finished.err.splitlines()
    assert [line.split("'")[1] for line in expected] == IDS
    assert all(line.endswith(" of memory, but may use 0 MiB") for line in expected)
    assert (finished.out, finished.code) == ("", 1)


def test_an_empty_name_of_weights_is_not_the_default(run_cli, tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    finished = run_cli("predict", "-", "-w", "", stdin=HAIRPIN)
    assert finished.err.endswith("Invalid value for '-w' / '--weights': the text is empty\n")
    assert finished.code == 2


def test_raw_decoding_is_the_matrix_above_the_threshold(run_predict, tiny_weights):
    options = ("--decode", "raw", "--threshold", 0.3, "--scores", "s.npz")
    [row] = map(
        json.loads, run_predict("-", "-f", "jsonl", *options, stdin=HAIRPIN).out.splitlines()
    )
    left, right = np.nonzero(np.triu(np.load("s.npz")["hairpin"] > 0.3))
    assert [pair[:2] for pair in row["pairs"]] == [
        [int(i) + 1, int(j) + 1] for i, j in zip(left, right, strict=True)
    ]
    assert row["structure"] is None
    assert row["multiplets"]


@pytest.mark.parametrize(
    ("options", "name"),
    [((), "dbn"), (("-f", "ct"), "ct"), (("-o", "x.bpseq"), "bpseq")],
)
def test_raw_structures_are_refused_by_formats_for_one_partner(run_predict, options, name):
    finished = run_predict("-", "--decode", "raw", *options, stdin=HAIRPIN)
    assert finished.err.splitlines()[-1] == (
        f"Error: a base of a raw structure may have several partners, which {name} cannot hold; "
        "use -f jsonl or -f tsv"
    )
    assert (finished.out, finished.code) == ("", 2)


def test_a_threshold_of_one_leaves_everything_unpaired(run_predict):
    assert run_predict("-", "--threshold", 1, stdin=HAIRPIN).out == HAIRPIN + "." * 12 + "\n"


@pytest.mark.parametrize(("least", "count"), [(0, 66), (0.5, None), (1, 0)])
def test_min_score_decides_which_pairs_the_table_lists(run_predict, least, count):
    """Twelve bases have 66 pairs, and none has the score 0 or 1."""
    options = ("--min-score", least, "--threshold", 0.3, "--scores", "s.npz")
    finished = run_predict("-", "-f", "tsv", *options, stdin=HAIRPIN)
    scores = np.triu(np.load("s.npz")["hairpin"], k=1)
    rows = finished.out.splitlines()[1:]
    assert len(rows) == (scores > least).sum()
    assert count is None or len(rows) == count


def test_cycles_end_when_the_scores_have_settled(run_predict):
    both = f"{HAIRPIN}>b\nGGGGGCAAAAGCCAAAACCC\n"
    settled = [
        json.loads(line)
        for line in run_predict("-", "-f", "jsonl", "--cycles", "auto", stdin=both).out.splitlines()
    ]
    assert all(1 < answer["cycles"] <= 2 for answer in settled)
    plain = [
        json.loads(line) for line in run_predict("-", "-f", "jsonl", stdin=both).out.splitlines()
    ]
    assert [answer["pairs"] for answer in settled] == [answer["pairs"] for answer in plain]


def test_cycles_are_run_and_reported(run_predict):
    one, four = (
        json.loads(
            run_predict("-", "-f", "jsonl", "--cycles", n, "--threshold", 0, stdin=HAIRPIN).out
        )
        for n in (1, 4)
    )
    assert (one["cycles"], four["cycles"]) == (1, 4)
    assert one["confidence"] != four["confidence"]


def test_weights_that_do_not_recycle_refuse_more_than_one_cycle(run_cli, data_folder):
    case = data_folder / "parity" / "no_cycling"
    run_cli("weights", "import", f"{case}.pth", "--config", f"{case}.yml", "-o", "once")
    finished = run_cli("predict", "-", "-w", "once", "--cycles", 3, stdin=HAIRPIN)
    message = "cycles must be 1, these weights do not recycle, not 3"
    assert (finished.err, finished.code) == (f"rnaformer: {message}\n", 1)


# What it reads


def test_gzip_is_recognised_by_its_content(run_predict):
    Path("reads").write_bytes(gzip.compress(MIXED.encode()))
    assert ids(run_predict("reads").out) == IDS


@pytest.mark.parametrize("arguments", [("-",), ()], ids=["dash", "no file"])
def test_standard_input_is_read_compressed_or_not(run_predict, arguments):
    assert ids(run_predict(*arguments, stdin=gzip.compress(MIXED.encode())).out) == IDS
    assert ids(run_predict(*arguments, stdin=MIXED).out) == IDS


def test_a_terminal_as_standard_input_is_wrong_usage(monkeypatch, capsys):
    controller, terminal = os.openpty()
    with open(controller, "rb"), open(terminal) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert run_command(["predict"]) == 2
    message = "Error: no FASTA file given (`-` reads standard input)\n"
    assert capsys.readouterr().err.endswith(message)


def test_several_files_are_read_in_order(run_predict):
    Path("b.fa").write_text(">b\nACGU\n")
    Path("a.fa").write_text(">a\nACGU\n")
    assert ids(run_predict("b.fa", "-", "a.fa", stdin=">c\nACGU\n").out) == ["b", "c", "a"]


def test_the_same_id_twice_is_allowed_on_stdout(run_predict):
    assert ids(run_predict("-", stdin=HAIRPIN * 2).out) == ["hairpin", "hairpin"]


def test_dna_lower_case_and_windows_lines_are_read_as_rna(run_predict):
    finished = run_predict("-", stdin=b"\xef\xbb\xbf>a x\r\nggtt\r\naacc\r\n")
    assert finished.out.splitlines()[:2] == [">a", "GGUUAACC"]
    assert (finished.err, finished.code) == ("", 0)


def test_a_record_without_a_name_is_called_by_its_number(run_predict):
    assert ids(run_predict("-", stdin=">\nACGU\n>b\nACGU\n> \nACGU\n").out) == [
        *("sequence_1", "b", "sequence_3")
    ]


def test_a_missing_file_does_not_keep_the_others_from_being_read(run_predict):
    Path("a.fa").write_text(HAIRPIN)
    Path("empty").mkdir()
    finished = run_predict("none.fa", "a.fa", "empty", "a.fa")
    suffixes = ".fa, .fas, .fasta, .ffn, .fna, .frn, also .gz"
    assert finished.err == (
        "rnaformer: none.fa: no such file or directory\n"
        f"rnaformer: empty: no FASTA file in this folder ({suffixes})\n"
    )
    assert (ids(finished.out), finished.code) == (["hairpin", "hairpin"], 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "stdin: no FASTA record (expected a line that starts with '>')"),
        (b"\n\n", "stdin: no FASTA record (expected a line that starts with '>')"),
        (b"ACXU\n", "stdin:1:1: expected a FASTA header ('>' and a name) before any sequence"),
        (
            b"@a\nACGU\n+\nIIII\n",
            "stdin:1:1: this looks like FASTQ; expected FASTA, with '>' before each name",
        ),
        (b">a\nACGU\n>\xff\n", "stdin:3: not UTF-8 text"),
        (gzip.compress(b">a\nACGU\n")[:-9], "stdin: damaged gzip file"),
        (b">a\n>b\n", "stdin:1: record 'a': no sequence below this header"),
        (
            b">a\nACGU\n(..)\n",
            f"stdin:3:1: record 'a': '(': this looks like dot-bracket; {EXPECTED}",
        ),
        (
            b">a\nMKVE\n",
            f"stdin:2:4: record 'a': 'E' is an amino acid letter; {EXPECTED}, not protein",
        ),
        (b">a\n1 ACGU\n", f"stdin:2:1: record 'a': '1' is a digit; {EXPECTED}"),
    ],
)
def test_text_that_is_not_rna_is_reported_with_its_position(run_predict, text, message):
    finished = run_predict("-", "-o", "out.dbn", "--scores", "s.npz", stdin=text)
    assert finished.err.splitlines()[0] == f"rnaformer: {message}"
    assert finished.code == 1


def test_one_bad_record_does_not_stop_the_others(run_predict):
    finished = run_predict("-", stdin=BAD)
    assert ids(finished.out) == ["good", "also"]
    assert (finished.err, finished.code) == (GAP_LINE, 1)


def test_one_bad_record_does_not_stop_the_others_from_going_to_a_file(run_predict):
    finished = run_predict("-", "-o", "out.dbn", stdin=BAD)
    assert ids(Path("out.dbn").read_text()) == ["good", "also"]
    assert (finished.err, finished.code, os.listdir()) == (GAP_LINE, 1, ["out.dbn"])


def test_fail_fast_stops_at_the_first_bad_record_and_leaves_no_file(run_predict):
    Path("out.dbn").write_text("from before")
    finished = run_predict("-", "--fail-fast", "-o", "out.dbn", "--scores", "s.npz", stdin=BAD)
    assert (finished.out, finished.err, finished.code) == ("", GAP_LINE, 1)
    assert (os.listdir(), Path("out.dbn").read_text()) == (["out.dbn"], "from before")


def test_fail_fast_writes_what_came_before_the_bad_record(run_predict):
    finished = run_predict("-", "--fail-fast", stdin=BAD)
    assert (ids(finished.out), finished.err, finished.code) == (["good"], GAP_LINE, 1)


def test_predicting_like_a_program_needs_weights_with_a_label_flag(run_predict):
    finished = run_predict("-", "--like", "computed", stdin=">a\nGGGGAAAACCCC\n")
    message = "these weights have no label flag: they were trained on one kind of labels"
    assert (finished.out, finished.err, finished.code) == ("", f"rnaformer: {message}\n", 1)


@pytest.mark.parametrize("file", ["none.fa", "bad.fa"])
def test_no_file_appears_when_nothing_could_be_predicted(run_predict, file):
    Path("bad.fa").write_text(">a\n>b\nX\n")
    finished = run_predict(file, "-o", "out.dbn", "--scores", "s.npz")
    assert (finished.code, os.listdir()) == (1, ["bad.fa"])


def test_longer_records_are_refused_on_request(run_predict):
    finished = run_predict("-", "--max-length", 17, stdin=MIXED)
    message = "49 bases are more than --max-length 17"
    assert finished.err == f"rnaformer: record 'long': {message}\n"
    assert (ids(finished.out), finished.code) == (["middle", "short", "second"], 1)


AMBIGUOUS = ">a\nACRYU\n>b\nACGU\n>c\nNNACGUw\n"


def test_ambiguous_letters_are_read_as_n_and_counted_once(run_predict):
    finished = run_predict("-", stdin=AMBIGUOUS)
    warning = "rnaformer: warning: read 3 ambiguous letters as N in 2 records\n"
    assert [record.sequence for record in records_of(finished.out)] == ["ACNNU", "ACGU", "NNACGUN"]
    assert (finished.err, finished.code) == (warning, 0)


def test_json_has_the_ambiguous_letters_of_each_record(run_predict):
    rows = run_predict("-", "-f", "jsonl", stdin=AMBIGUOUS).out.splitlines()
    assert [json.loads(row)["warnings"] for row in rows] == [
        *(["2 ambiguous letters read as N"], [], ["1 ambiguous letter read as N"])
    ]


def test_strict_refuses_ambiguous_letters_but_not_n(run_predict):
    finished = run_predict("-", "--strict", stdin=AMBIGUOUS)
    advice = "stands for more than one base; --strict takes only A C G U (T) and N"
    assert finished.err == (
        f"rnaformer: stdin:2:3: record 'a': 'R' {advice}\n"
        f"rnaformer: stdin:6:7: record 'c': 'w' {advice}\n"
    )
    assert (ids(finished.out), finished.code) == (["b"], 1)


def test_quiet_hides_warnings_but_not_failures(run_predict):
    Path("ref.dbn").write_text(">else\nACGU\n....\n>b\nACGU\n....\n")
    finished = run_predict("-", "-q", "--ref", "ref.dbn", stdin=AMBIGUOUS + ">bad\nX\n")
    assert finished.err.splitlines()[0].startswith("rnaformer: stdin:8:1: record 'bad': 'X'")
    assert "warning" not in finished.err
    assert finished.code == 1


# Wrong usage, devices, weights


def test_an_unknown_device_is_wrong_usage(run_cli):
    finished = run_cli("predict", "-", "--device", "tpu", stdin=HAIRPIN)
    message = "Invalid value for '--device': 'tpu' is not one of auto, cpu, cuda, cuda:N, mps"
    assert (finished.err.splitlines()[-1], finished.code) == (f"Error: {message}", 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "a", "--out-dir", "b"], "--output and --out-dir cannot be combined"),
        (
            ["--scores", "s.npz.gz"],
            "--scores writes .npz files, which are compressed; leave out .gz",
        ),
        (["-f", "ct", "-f", "dbn"], "several formats need --out-dir"),
        (
            ["--threshold", "1.5"],
            "Invalid value for '--threshold': 1.5 is not in the range 0<=x<=1.",
        ),
        (
            ["--cycles", "0"],
            "Invalid value for '--cycles': '0' is neither auto nor a positive whole number",
        ),
        (
            ["--cycles", "9" * 10],
            "Invalid value for '--cycles': '9999999999' is neither auto nor "
            "a positive whole number",
        ),
        (
            ["--max-memory", "much"],
            "Invalid value for '--max-memory': 'much' is not a size; "
            "expected a number of bytes, 500M or 4G",
        ),
    ],
)
def test_wrong_usage_has_exit_code_2(run_predict, options, message):
    finished = run_predict("-", *options, stdin=HAIRPIN)
    assert finished.err.splitlines()[-1] == f"Error: {message}"
    assert (finished.out, finished.code, os.listdir()) == ("", 2, [])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-w", "none"], "no weights named 'none'; known: rnaformer-base, rnaformer-small"),
        (["-w", "no/ne"], "no/ne: no config.json in this folder"),
        (["-o", "no/such/out.dbn"], "no/such/out.dbn: no such file or directory"),
        (["-o", "."], ".: is a folder; expected a file"),
        (["--scores", "no/s.npz"], "no/s.npz: no such file or directory"),
    ],
)
def test_an_impossible_request_is_one_line_with_exit_code_1(run_cli, options, message):
    finished = run_cli("predict", "-", *options, stdin=HAIRPIN)
    assert (finished.out, finished.err) == ("", f"rnaformer: {message}\n")
    assert (finished.code, os.listdir()) == (1, [])


def test_the_given_precision_is_used(run_predict):
    finished = run_predict("-", "--precision", "bf16", stdin=HAIRPIN)
    warning = (
        ""
        if has_bf16(torch.device("cpu"))
        else "rnaformer: warning: this processor has no bf16 instructions; "
        "--precision fp32 is faster\n"
    )
    assert (ids(finished.out), finished.err, finished.code) == (["hairpin"], warning, 0)


def test_bf16_on_a_processor_without_it_is_warned_of(run_predict, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "x86_64"})
    finished = run_predict("-", "--precision", "bf16", stdin=HAIRPIN)
    warning = "this processor has no bf16 instructions; --precision fp32 is faster"
    assert (finished.err, finished.code) == (f"rnaformer: warning: {warning}\n", 0)
    assert run_predict("-", "--precision", "bf16", "--quiet", stdin=HAIRPIN).err == ""
    assert run_predict("-", "--precision", "fp32", stdin=HAIRPIN).err == ""


def test_the_command_gives_what_the_library_gives(run_predict, tiny_weights):
    predictor = load(tiny_weights, Options(threshold=0.1), device="cpu")
    [expected] = predictor.predict([RnaRecord("hairpin", "GGGGAAAACCCC")])
    [found] = records_of(run_predict("-", "--threshold", 0.1, stdin=HAIRPIN).out)
    assert found == expected.structure_record


def test_parts_together_are_the_whole(run_predict, tmp_path):
    records = "".join(f">x\n{'GGGGAAAACCCC'[: 12 - n % 3]}\n" for n in range(7)) + ">bad\nACGX!\n"
    whole = run_predict("-", "--out-dir", tmp_path / "whole", stdin=records)
    errors = [
        run_predict("-", "--out-dir", tmp_path / "parts", "--shard", f"{n}/3", stdin=records).err
        for n in (1, 2, 3)
    ]
    assert "".join(errors) == whole.err  # the bad record is that of one part
    files = {path.name: path.read_text() for path in (tmp_path / "whole").glob("x*")}
    parts = {path.name: path.read_text() for path in (tmp_path / "parts").glob("x*")}
    assert parts == files
    assert set(files) == {"x.dbn", *(f"x_{n}.dbn" for n in range(2, 8))}


def test_a_part_goes_to_stdout_in_order(run_predict):
    records = "".join(f">r{n}\nGGGGAAAACCCC\n" for n in range(5))
    assert ids(run_predict("-", "--shard", "2/2", stdin=records).out) == ["r1", "r3"]


@pytest.mark.parametrize("value", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_an_invalid_part_is_refused(run_predict, value):
    finished = run_predict("-", "--shard", value, stdin=HAIRPIN)
    message = f"Error: Invalid value for '--shard': {value!r} is not a part I/N, such as 1/4 or 4/4"
    assert (finished.err.splitlines()[-1], finished.code) == (message, 2)


def test_worker_processes_give_the_same_bytes(run_predict, tmp_path):
    fasta = tmp_path / "in.fasta"
    fasta.write_text(
        "".join(f">r{n}\n{'GGGAAACCCU' * (1 + n % 3)}\n" for n in range(20)) + ">x\n!\n"
    )
    alone, together = run_predict(fasta, "--jobs", 1), run_predict(fasta, "--jobs", 2)
    assert together == alone
    assert together.out.count(">") == 20
    assert together.code == 1


def test_a_folder_is_read_file_by_file(run_predict):
    Path("reads").mkdir()
    Path("reads/b.fa").write_text(">b\nACGU\n")
    Path("reads/a.fa").write_text(">a\nGGGAAACCC\n>bad\nX\n")
    finished = run_predict("reads")
    assert ids(finished.out) == ["a", "b"]
    assert finished.err.startswith("rnaformer: reads/a.fa:4:1: record 'bad': ")


def test_whatever_is_called_fasta_in_a_folder_is_read_or_reported(run_predict):
    """Links as workflow engines stage them, a pipe without a writer, a suffix in capitals."""
    Path("reads").mkdir()
    Path("real.fa").write_text(">link\nACGU\n")
    Path("reads/a.fa").symlink_to("../real.fa")
    Path("reads/b.fa").symlink_to("absent.fa")
    Path("reads/c.fa.GZ").write_bytes(gzip.compress(b">packed\nACGU\n"))
    os.mkfifo("reads/d.fa")
    finished = run_predict("reads")
    assert ids(finished.out) == ["link", "packed"]
    assert finished.err.splitlines() == [
        "rnaformer: reads/b.fa: no such file or directory",
        "rnaformer: reads/d.fa: is not a regular file; only regular files of a folder are read",
    ]
    assert finished.code == 1


def test_failures_can_be_written_as_a_table(run_predict):
    finished = run_predict("-", "--failures", "failed.tsv", stdin=BAD)
    assert finished.code == 1
    rows = [line.split("\t") for line in Path("failed.tsv").read_text().splitlines()]
    assert rows == [
        ["file", "line", "column", "record", "message"],
        ["stdin", "4", "4", "gap", GAP.partition(": record 'gap': ")[2]],
    ]


# Numbers that are none


@pytest.mark.parametrize("option", ["--threshold", "--min-score"])
@pytest.mark.parametrize("value", ["nan", "NaN", "-nan"])
def test_an_option_that_is_no_number_is_refused(run_predict, option, value):
    finished = run_predict("-", option, value, stdin=HAIRPIN)
    assert finished.err.endswith(f"Invalid value for '{option}': {value} is not a finite number.\n")
    assert (finished.out, finished.code) == ("", 2)


@pytest.fixture
def overflowing(tmp_path, tiny_network):
    """Weights of finite numbers whose scores are none."""
    from rnaformer_cli.model.checkpoint import save_checkpoint

    folder = tmp_path / "overflowing"
    folder.mkdir()
    state = {name: tensor * 1e30 for name, tensor in tiny_network.state_dict().items()}
    save_checkpoint(folder, "tiny", tiny_network.config, state, {}, "# tiny\n")
    return folder


def test_scores_that_are_no_numbers_fail_their_record(run_cli, overflowing):
    finished = run_cli("predict", "-", "-w", overflowing, "--device", "cpu", stdin=HAIRPIN)
    expected = (
        "scores are not finite numbers: the weights are damaged, or overflow in this precision"
    )
    assert finished.err == f"rnaformer: record 'hairpin': {expected}\n"
    assert (finished.out, finished.code) == ("", 1)


def test_weights_whose_scores_are_no_numbers_are_not_ok(run_cli, overflowing):
    finished = run_cli("weights", "verify", overflowing)
    expected = (
        "scores are not finite numbers: the weights are damaged, or overflow in this precision"
    )
    assert finished.err == f"rnaformer: {overflowing}: {expected}\n"
    assert (finished.out, finished.code) == ("", 1)
