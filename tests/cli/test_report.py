"""`rnaformer report`: where predictions come from, what is written, and what is refused."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from factories.predictions import make_prediction_line

A, B = make_prediction_line("a"), make_prediction_line("b")
REFERENCE = ">a\nGGAAAACC\n((....))\n"
PREDICTION = "expected a prediction as `rnaformer predict -f jsonl` writes it"


@pytest.fixture
def files(isolated_folder):
    """Two files of predictions, a folder of both, and references."""
    (isolated_folder / "a.jsonl").write_text(A)
    (isolated_folder / "b.jsonl").write_text(B)
    (isolated_folder / "both").mkdir()
    for name, text in (("a.jsonl", A), ("b.jsonl", B), (".rnaformer-run.jsonl", "{}\n")):
        (isolated_folder / "both" / name).write_text(text)
    (isolated_folder / "known.dbn").write_text(REFERENCE)
    return isolated_folder


def ids_in(page):
    """The ids of the rows, in order."""
    return [part.split('"')[0] for part in page.split('<th scope="row" data-value="')[1:]]


def heading_of(page):
    return page.split("<h1>")[1].split("</h1>")[0]


@pytest.mark.parametrize(
    ("inputs", "stdin", "ids", "heading"),
    [
        (["a.jsonl"], "", ["a"], "a.jsonl"),
        (["b.jsonl", "a.jsonl"], "", ["b", "a"], "b.jsonl and 1 more"),
        (["both"], "", ["a", "b"], "both"),
        (["both/."], "", ["a", "b"], "both"),
        (["-"], B + A, ["b", "a"], "standard input"),
    ],
)
def test_predictions_come_from_files_folders_and_standard_input(
    run_cli, files, inputs, stdin, ids, heading
):
    done = run_cli("report", *inputs, "-o", "x.html", stdin=stdin)
    page = (files / "x.html").read_text(encoding="utf-8")
    assert (done.out, done.err, done.code) == ("", "", 0)
    assert (ids_in(page), heading_of(page)) == (ids, heading)
    assert page.count('<figure class="picture plane"') == len(ids)


def test_a_page_goes_to_standard_output_as_well(run_cli, files):
    run_cli("report", "a.jsonl", "-o", "x.html")
    done = run_cli("report", "a.jsonl", "-o", "-")
    assert (done.out, done.code) == ((files / "x.html").read_text(encoding="utf-8"), 0)


def test_a_title_is_what_is_given(run_cli, files):
    assert heading_of(run_cli("report", "a.jsonl", "--title", "R&D", "-o", "-").out) == "R&amp;D"


def test_predictions_of_the_network_are_reported(run_cli, run_predict, files):
    made = run_predict("-", "-f", "jsonl", stdin=">a b\nGGGGAAAACCCC\n>c\nACGU\n")
    done = run_cli("report", "-", "-o", "-", stdin=made.out)
    assert (ids_in(done.out), done.err, done.code) == (["a", "c"], "", 0)


def test_references_add_f1_and_arcs(run_cli, files):
    done = run_cli("report", "a.jsonl", "--ref", "known.dbn", "-o", "-")
    assert (done.err, done.code) == ("", 0)
    assert "of one reference" in done.out
    assert '<figure class="picture plane"' in done.out
    assert '<figure class="picture arcs"' in done.out


def test_scores_links_and_colours_are_as_chosen(run_cli, files):
    np.savez(files / "scores.npz", a=np.full((8, 8), 0.25, np.float32))
    options = ["--scores", "scores.npz", "--links", "--colour", "base"]
    plain, chosen = (run_cli("report", "a.jsonl", "-o", "-", *words).out for words in ([], options))
    assert ("https://rnacanvas.app?" in plain, "https://rnacanvas.app?" in chosen) == (False, True)
    counts = [
        page.split('data-layer="probabilities"')[1].count("<path") for page in (plain, chosen)
    ]
    assert counts[1] - counts[0] == 28 - 2
    assert "#009e73; stroke: #333333" in chosen  # the colour of G
    assert "#009e73; stroke: #333333" not in plain


def test_scores_of_another_rna_are_refused(run_cli, files):
    np.savez(files / "scores.npz", a=np.zeros((4, 4), np.float32))
    done = run_cli("report", "a.jsonl", "-o", "x.html", "--scores", "scores.npz")
    message = "record 'a': 8 bases, but a score matrix of 4"
    assert (done.err, done.code) == (f"rnaformer: {message}\n", 1)


def test_failed_records_of_a_run_are_counted(run_cli, run_predict, files):
    run_predict(
        "-", "-f", "jsonl", "-o", "p.jsonl", "--failures", "f.tsv", stdin=">a\nACGU\n>b\nX\n"
    )
    assert run_cli("report", "p.jsonl", "--failures", "f.tsv", "-o", "x.html").code == 0
    assert "Not predicted: b (&#39;X&#39; is not an RNA base" in (files / "x.html").read_text()


@pytest.mark.parametrize(("text", "line"), [("id\tlength\n", 1), ("{head}\nx\n", 2)])
def test_another_table_is_no_table_of_failures(run_cli, files, text, line):
    head = "file\tline\tcolumn\trecord\tmessage"
    Path("f.tsv").write_text(text.format(head=head))
    done = run_cli("report", "a.jsonl", "--failures", "f.tsv", "-o", "x.html")
    message = "expected a table that `rnaformer predict --failures` writes"
    assert (done.err, done.code) == (f"rnaformer: f.tsv:{line}: {message}\n", 1)


def test_records_without_a_counterpart_are_warned_of(run_cli, files):
    (files / "known.dbn").write_text(f"{REFERENCE}>c\nAAAA\n....\n")
    done = run_cli("report", "both", "--ref", "known.dbn", "-o", "-")
    assert done.err == (
        "rnaformer: warning: no prediction for c\nrnaformer: warning: no reference for b\n"
    )
    assert done.code == 0
    assert "No prediction for c: counts as F1 0 in the means." in done.out


@pytest.mark.parametrize(
    ("options", "figures"),
    [([], 2), (["--pictures", 1], 1), (["--no-pictures"], 0), (["--pictures", 0], 0)],
)
def test_so_many_records_get_a_picture(run_cli, files, options, figures):
    assert run_cli("report", "both", *options, "-o", "-").out.count("picture plane") == figures


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.jsonl: no prediction in this file"),
        (REFERENCE, f"x.jsonl:1: {PREDICTION}"),
        (A + "{\n", f"x.jsonl:2: {PREDICTION}"),
        (A + '{"id": "z", "sequence": "A"}\n', "x.jsonl:2: record 'z': no field 'structure'"),
        (
            '{"id": "z", "sequence": "A", "pairs": []}\n',
            "x.jsonl:1: record 'z': no field 'confidence'",
        ),
        (
            make_prediction_line(confidence=2),
            "x.jsonl:1: record 'x': confidence is 2; expected a number from 0 to 1",
        ),
    ],
)
def test_files_that_hold_no_predictions_are_one_line(run_cli, files, text, message):
    (files / "x.jsonl").write_text(text)
    done = run_cli("report", "x.jsonl", "-o", "x.html")
    assert (done.out, done.err, done.code) == ("", f"rnaformer: {message}\n", 1)
    assert not (files / "x.html").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["none.jsonl", "-o", "x.html"], "none.jsonl: no such file or directory"),
        (["empty", "-o", "x.html"], "empty: no prediction file in this folder"),
        (["a.jsonl", "-o", "none/x.html"], "none/x.html: no such file or directory"),
        (["a.jsonl", "-o", "both"], "both: is a folder; expected a file"),
        (["a.jsonl", "--ref", "none.dbn", "-o", "x.html"], "none.dbn: no such file or directory"),
        (
            ["a.jsonl", "--ref", "other.dbn", "-o", "x.html"],
            "no id in common: predictions 'a'; references 'y', 'z'",
        ),
        (
            ["b.jsonl", "--ref", "short.dbn", "-o", "x.html"],
            "record 'b': the prediction has 8 bases, the reference 4",
        ),
    ],
)
def test_what_cannot_be_reported_is_one_line(run_cli, files, options, message):
    (files / "empty").mkdir()
    (files / "other.dbn").write_text(">y\nACGU\n....\n>z\nACGU\n....\n")
    (files / "short.dbn").write_text(">b\nACGU\n....\n")
    done = run_cli("report", *options)
    assert (done.out, done.err, done.code) == ("", f"rnaformer: {message}\n", 1)
    assert not (files / "x.html").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["a.jsonl"], "Missing option '-o' / '--output'."),
        (["-o", "x.html"], "Missing argument 'PREDICTED...'."),
        (["a.jsonl", "--pictures", -1, "-o", "-"], "Invalid value for '--pictures': -1 is not in"),
    ],
)
def test_wrong_usage_has_exit_code_2(run_cli, files, options, message):
    done = run_cli("report", *options)
    assert done.err.splitlines()[-1].startswith(f"Error: {message}")
    assert done.code == 2


@pytest.mark.parametrize(
    ("package", "what"),
    [("RNA", "layouts need ViennaRNA"), ("matplotlib.figure", "pictures need matplotlib")],
)
def test_without_a_package_for_pictures_the_page_has_none_and_one_warning(
    run_cli, files, monkeypatch, package, what
):
    monkeypatch.setitem(sys.modules, package, None)
    way = "pip install '.[draw]' in a checkout, or --no-pictures"
    done = run_cli("report", "both", "-o", "x.html")
    assert (done.err, done.code) == (f"rnaformer: warning: no pictures: {what}: {way}\n", 0)
    assert "Without pictures of the structures." in (files / "x.html").read_text()
    assert run_cli("report", "a.jsonl", "-o", "x.html", "--no-pictures").code == 0


def test_no_torch_is_loaded(files):
    script = """
import sys
from rnaformer_cli.cli.main import run
code = run(["report", "both", "--ref", "known.dbn", "-o", "x.html"])
sys.exit(code or "torch" in sys.modules)
"""
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert Path("x.html").exists()


@pytest.mark.parametrize(("options", "pictures"), [([], 1), (["--pictures", 2], 2)])
def test_long_records_are_drawn_up_to_a_number_of_bases(
    run_cli, files, monkeypatch, options, pictures
):
    monkeypatch.setattr("rnaformer_cli.cli.report.MAX_PICTURE_BASES", 15)
    done = run_cli("report", "a.jsonl", "b.jsonl", "-o", "x.html", *options)
    text = "the page has pictures of 1 of 2 records: the first 2 have more than 15 bases"
    note = f"rnaformer: note: {text} (--pictures N draws N)\n"
    assert (done.err, done.code) == ("" if options else note, 0)
    page = (files / "x.html").read_text(encoding="utf-8")
    assert page.count('<figure class="picture plane"') == pictures
