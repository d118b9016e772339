"""What is printed on stderr while records are processed, and where progress is drawn."""

import os
import re
import sys
from contextlib import contextmanager

import pytest

from rnaformer_cli.cli.run.progress import (
    LONG_RUN_RECORDS,
    MAX_LISTED_FAILURES,
    FailureTable,
    RunReporter,
    Workload,
    format_count,
)
from rnaformer_cli.errors import InputError, OutputError, SequenceError
from rnaformer_cli.sequence.record import RnaRecord


@contextmanager
def terminal_as_stderr(monkeypatch):
    """Yield a function that returns what was written to a terminal on stderr."""
    controller, terminal = os.openpty()
    monkeypatch.setenv("TERM", "xterm")
    with open(terminal, "w") as stderr, open(controller, "rb", buffering=0) as screen:
        monkeypatch.setattr(sys, "stderr", stderr)

        def shown():
            stderr.flush()
            os.set_blocking(screen.fileno(), False)
            return b"".join(iter(screen.readall, None)).decode()

        yield shown


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 records"), (1, "1 record"), (2, "2 records"), (12_345, "12,345 records")],
)
def test_a_number_has_its_noun_in_the_right_form(number, text):
    assert format_count(number, "record") == text


def test_a_failure_is_reported_at_once_in_one_line_and_counted(capsys):
    report = RunReporter()
    report.fail(SequenceError("a bad\nletter", path="reads.fa", line=3, record="x\x1b"))
    assert capsys.readouterr().err == ("rnaformer: reads.fa:3: record 'x\\x1b': a bad\\nletter\n")
    assert report.failures == 1


def test_many_failures_are_counted_but_a_file_that_fails_is_always_reported(capsys, tmp_path):
    report = RunReporter(quiet=True)
    for number in range(MAX_LISTED_FAILURES + 1_500):
        report.fail(SequenceError("a bad letter", record=f"r{number}"))
    report.fail(InputError("no such file", path="absent.fa"))
    report.report_unlisted()
    *expected, note, file, count = capsys.readouterr().err.splitlines()
    assert expected == [f"rnaformer: record 'r{number}': a bad letter" for number in range(20)]
    assert note == (
        "rnaformer: further failed records are only counted (--failures FILE.tsv lists them)"
    )
    assert (file, count) == (
        "rnaformer: absent.fa: no such file",
        "rnaformer: 1,500 more records failed",
    )


def test_a_table_has_the_failures_that_are_not_printed(capsys, tmp_path):
    table = FailureTable(tmp_path / "failed.tsv")
    report = RunReporter(failure_table=table)
    for number in range(MAX_LISTED_FAILURES + 2):
        report.fail(SequenceError("a bad letter", record=f"r{number}"))
    table.close()
    assert capsys.readouterr().err.splitlines()[MAX_LISTED_FAILURES:] == [
        "rnaformer: further failed records are only counted (the table lists them)"
    ]
    assert len((tmp_path / "failed.tsv").read_text().splitlines()) == 1 + MAX_LISTED_FAILURES + 2


def test_ambiguous_letters_are_reported_once_for_all_records(capsys):
    report = RunReporter()
    for number in (0, 1_000, 234):
        report.count(RnaRecord("r", "ACGN", n_ambiguous=number))
    assert capsys.readouterr().err == ""
    report.warn_ambiguous()
    assert capsys.readouterr().err == (
        "rnaformer: warning: read 1,234 ambiguous letters as N in 2 records\n"
    )


def test_records_without_ambiguous_letters_cause_no_warning(capsys):
    report = RunReporter()
    report.count(RnaRecord("r", "ACGN"))
    report.warn_ambiguous()
    assert capsys.readouterr().err == ""


def test_a_quiet_report_still_prints_failures(capsys):
    report = RunReporter(quiet=True)
    report.count(RnaRecord("r", "N", n_ambiguous=1))
    report.warn_ambiguous()
    report.fail(SequenceError("bad"))
    assert capsys.readouterr().err == "rnaformer: bad\n"


def test_progress_is_drawn_on_a_terminal_when_structures_go_elsewhere(monkeypatch):
    with terminal_as_stderr(monkeypatch) as shown:
        report = RunReporter()
        with report.progress():
            report.advance()
            report.fail(SequenceError("[bold]bad"))
            report.advance()
        screen = shown()
    assert "2 records" in screen
    assert "rnaformer: [bold]bad\r\n" in screen
    assert screen.endswith("\x1b[2K")  # wiped when done
    assert report.written == 2


@pytest.mark.parametrize(("no_color", "is_coloured"), [("", True), ("1", False)])
def test_no_color_is_obeyed(monkeypatch, no_color, is_coloured):
    monkeypatch.setenv("NO_COLOR", no_color)
    with terminal_as_stderr(monkeypatch) as shown:
        report = RunReporter()
        with report.progress():
            report.advance()
        assert ("\x1b[3" in shown()) == is_coloured


def test_no_progress_when_it_is_not_wanted_or_would_mix_with_structures(monkeypatch):
    with terminal_as_stderr(monkeypatch) as shown:
        with RunReporter(quiet=True).progress():
            pass
        monkeypatch.setattr(sys, "stdout", sys.stderr)
        with RunReporter().progress():
            pass
        assert shown() == ""


def test_progress_is_drawn_on_the_terminal_of_stdout_if_structures_go_to_a_file(monkeypatch):
    with terminal_as_stderr(monkeypatch) as shown:
        monkeypatch.setattr(sys, "stdout", sys.stderr)
        report = RunReporter(uses_stdout=False)
        with report.progress():
            report.advance()
        assert "1 record" in shown()


def test_progress_counts_predicted_records_before_they_are_written(monkeypatch):
    with terminal_as_stderr(monkeypatch) as shown:
        report = RunReporter()
        with report.progress(Workload.of([100, 300])):
            report.show_done(300)
        assert "1 of 2 records, " in shown()
    assert report.written == 0


def test_no_progress_in_a_log(capsys):
    report = RunReporter()
    with report.progress():
        report.advance()
    assert capsys.readouterr().err == ""
    assert report.written == 1


def test_progress_shows_the_remaining_work_when_the_total_is_known(monkeypatch):
    with terminal_as_stderr(monkeypatch) as shown:
        report = RunReporter()
        with report.progress(Workload.of([100, 300])):
            report.advance(100)
        screen = shown()
    assert "1 of 2 records, " in screen
    assert " nt/s" in screen
    assert " left " in screen


def test_a_long_run_ends_with_a_summary(capsys):
    report = RunReporter()
    for _ in range(LONG_RUN_RECORDS - 1):
        report.advance(20)
    report.report_summary()
    assert capsys.readouterr().err == ""
    report.fail(SequenceError("bad"))
    capsys.readouterr()
    report.report_summary()
    assert re.fullmatch(
        r"rnaformer: 99 records, 1,980 nt in \d+\.\d s; 1 failed\n", capsys.readouterr().err
    )


def test_a_summary_counts_what_this_run_did(capsys):
    report = RunReporter()
    for _ in range(LONG_RUN_RECORDS):
        report.advance(20)
    report.skip(1_000)
    report.report_summary()
    assert capsys.readouterr().err.startswith("rnaformer: 100 records, 2,000 nt in ")


def test_no_summary_when_all_should_be_quiet(capsys):
    report = RunReporter(quiet=True)
    for _ in range(LONG_RUN_RECORDS):
        report.advance(20)
    report.report_summary()
    assert capsys.readouterr().err == ""


def test_a_short_run_ends_with_a_summary_where_progress_was_drawn(monkeypatch):
    with terminal_as_stderr(monkeypatch) as shown:
        report = RunReporter()
        with report.progress():
            report.advance(20)
        report.report_summary()
        assert re.search(r"rnaformer: 1 record, 20 nt in \d+\.\d s\r\n$", shown())


def test_failures_are_in_their_table_as_soon_as_they_are_reported(tmp_path, capsys):
    table = FailureTable(str(tmp_path / "failed.tsv"))
    report = RunReporter(failure_table=table)
    report.fail(SequenceError("a\ttab", path="reads.fa", line=3, column=9, record="x\ny"))
    report.fail(SequenceError("nowhere"))
    assert (tmp_path / "failed.tsv").read_text() == (
        "file\tline\tcolumn\trecord\tmessage\nreads.fa\t3\t9\tx\\ny\ta\\ttab\n\t\t\t\tnowhere\n"
    )
    table.close()


def test_a_failure_table_that_cannot_be_written_is_reported():
    with pytest.raises(OutputError, match=r"^no/table.tsv: no such file or directory$"):
        FailureTable("no/table.tsv")
