"""`rnaformer score --multiqc`: a table that MultiQC takes as custom content."""

from pathlib import Path

import pytest
import yaml

REFERENCE = """>hairpin
GGGGAAAACCCC
((((....))))
>twice
GGGAAACCC
(((...)))
>twice
GGGAAACCC
.........
>lost
GGGAAACCC
.........
"""
PREDICTED = """>hairpin
GGGGAAAACCCC
((........))
>twice
GGGAAACCC
((.....))
>twice
GGGAAACCC
(((...)))
"""
RATIOS = ("precision", "recall", "f1")


@pytest.fixture
def table(run_cli):
    """The file that --multiqc writes, and what else was printed."""
    Path("pred.dbn").write_text(PREDICTED)
    Path("ref.dbn").write_text(REFERENCE)
    finished = run_cli(
        "score", "pred.dbn", "--ref", "ref.dbn", "--tsv", "--multiqc", "scores_mqc.tsv"
    )
    assert finished.code == 0
    return Path("scores_mqc.tsv").read_text(), finished


def test_the_table_matches_its_golden_file(table, check_golden):
    check_golden("score/multiqc.tsv", table[0])


def test_each_record_has_a_row_of_its_own_name(table):
    rows = [line.split("\t") for line in table[0].splitlines() if not line.startswith("#")]
    assert rows == [
        ["Sample", "length", "predicted", "reference", "precision", "recall", "f1"],
        ["hairpin", "12", "2", "4", "1.0000", "0.5000", "0.6667"],
        ["twice", "9", "2", "3", "1.0000", "0.6667", "0.8000"],
        ["twice (2)", "9", "3", "0", "0.0000", "0.0000", "0.0000"],
        ["lost", "9", "0", "0", "", "", "0.0000"],
    ]


def test_the_comments_are_a_config_of_each_column(table):
    lines = table[0].splitlines()
    comments = "\n".join(line.removeprefix("# ") for line in lines if line.startswith("#"))
    config = yaml.safe_load(comments)
    assert config["plot_type"] == "table"
    [columns] = [line.split("\t")[1:] for line in lines if line.startswith("Sample")]
    assert list(config["headers"]) == columns
    assert [name for name in columns if config["headers"][name].get("max") == 1] == list(RATIOS)


def test_what_is_printed_stays_the_same(table, run_cli):
    plain = run_cli("score", "pred.dbn", "--ref", "ref.dbn", "--tsv")
    assert (plain.out, plain.err) == (table[1].out, table[1].err)


def test_a_name_that_multiqc_does_not_look_for_is_warned_of(run_cli):
    Path("pred.dbn").write_text(PREDICTED)
    finished = run_cli("score", "pred.dbn", "--ref", "pred.dbn", "--tsv", "--multiqc", "x.tsv")
    hint = "MultiQC finds only files whose names end in _mqc.tsv"
    assert (finished.err, finished.code) == (f"rnaformer: warning: {hint}\n", 0)


def test_a_path_that_cannot_be_written_is_reported(run_cli):
    Path("pred.dbn").write_text(PREDICTED)
    finished = run_cli("score", "pred.dbn", "--ref", "pred.dbn", "--multiqc", "absent/x_mqc.tsv")
    assert finished.err == "rnaformer: absent/x_mqc.tsv: no such file or directory\n"
    assert (finished.out, finished.code) == ("", 1)
