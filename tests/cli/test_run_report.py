"""What is said on stderr while records go by, and where progress is drawn."""

import os
import sys
from contextlib import contextmanager

import pytest

from rnaformer_cli.cli.run_report import Report, counted
from rnaformer_cli.errors import SequenceError
from rnaformer_cli.sequence.record import RnaRecord


@contextmanager
def terminal_as_stderr(monkeypatch):
    """Yield a function that tells what a terminal on stderr was sent."""
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
    assert counted(number, "record") == text


def test_a_failure_is_told_at_once_in_one_line_and_counted(capsys):
    report = Report()
    report.fail(SequenceError("a bad\nletter", path="reads.fa", line=3, record="x\x1b"))
    assert capsys.readouterr().err == ("rnaformer: reads.fa:3: record 'x\\x1b': a bad\\nletter\n")
    assert report.failures == 1


def test_ambiguous_letters_are_told_once_for_all_records(capsys):
    report = Report()
    for number in (0, 1_000, 234):
        report.count(RnaRecord("r", "ACGN", n_ambiguous=number))
    assert capsys.readouterr().err == ""
    report.warn_ambiguous()
    assert capsys.readouterr().err == (
        "rnaformer: warning: read 1,234 ambiguous letters as N in 2 records\n"
    )


def test_nothing_is_said_of_letters_that_were_all_bases(capsys):
    report = Report()
    report.count(RnaRecord("r", "ACGN"))
    report.warn_ambiguous()
    assert capsys.readouterr().err == ""


def test_a_quiet_report_still_tells_failures(capsys):
    report = Report(quiet=True)
    report.count(RnaRecord("r", "N", n_ambiguous=1))
    report.warn_ambiguous()
    report.fail(SequenceError("bad"))
    assert capsys.readouterr().err == "rnaformer: bad\n"


def test_progress_is_drawn_on_a_terminal_when_structures_go_elsewhere(monkeypatch):
    with terminal_as_stderr(monkeypatch) as shown:
        report = Report()
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
        report = Report()
        with report.progress():
            report.advance()
        assert ("\x1b[3" in shown()) == is_coloured


def test_no_progress_when_it_is_not_wanted_or_would_mix_with_structures(monkeypatch):
    with terminal_as_stderr(monkeypatch) as shown:
        with Report(quiet=True).progress():
            pass
        monkeypatch.setattr(sys, "stdout", sys.stderr)
        with Report().progress():
            pass
        assert shown() == ""


def test_no_progress_in_a_log(capsys):
    report = Report()
    with report.progress():
        report.advance()
    assert capsys.readouterr().err == ""
    assert report.written == 1
