"""FASTA reader: every line is checked before the text is split into records."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from rnaformer_cli.errors import ConstraintError, InputError, SequenceError
from rnaformer_cli.files import STDIN, check_regular, list_files, read_lines
from rnaformer_cli.limits import MAX_BASES
from rnaformer_cli.sequence.constraints import SIGNS, UNPAIRED, parse_constraints
from rnaformer_cli.sequence.letters import READABLE, UNAMBIGUOUS, letter_error
from rnaformer_cli.sequence.record import RnaRecord

SUFFIXES = {".fa", ".fas", ".fasta", ".ffn", ".fna", ".frn"}
_OTHER_FORMATS = {  # format -> start of its first line
    "FASTQ": re.compile("@"),
    "a structure in BPSEQ": re.compile(r"\s*\d+\s+[A-Za-z]\s+\d+\s*$"),
    "a structure in CT": re.compile(r"\s*\d+\s+\S"),
    "JSON": re.compile(r"\s*[{\[]"),
    "Clustal": re.compile("CLUSTAL"),
}

Scanned = RnaRecord | SequenceError | ConstraintError


def read_fasta(
    source: str | Path | Iterable[str], strict: bool = False, with_constraints: bool = False
) -> Iterator[RnaRecord]:
    """Yield the records of a FASTA file, of all FASTA files of a folder, or of lines, in order.

    Blank and `;` lines are skipped; DNA is read as RNA. The path "-" is standard input.
    `with_constraints` reads a line of constraints below a sequence, see parse_constraints.

    Raises:
        InputError: a file that cannot be read or holds no record; a folder without such files.
        SequenceError: text before the first header, an empty record, or a letter that is
            not a base, with its line and column; with `strict` also an ambiguous letter.
        ConstraintError: constraints that cannot be met, or of another length.
    """
    for result in _scan(source, strict, with_constraints):
        if not isinstance(result, RnaRecord):
            raise result
        yield result


def _scan(
    source: str | Path | Iterable[str], strict: bool, with_constraints: bool
) -> Iterator[Scanned]:
    if isinstance(source, str) and (source.startswith(">") or "\n" in source):
        message = "this is FASTA text; expected a path or lines: give text.splitlines()"
        raise SequenceError(message)
    if not isinstance(source, (str, Path)):
        yield from scan_fasta(source, strict, with_constraints)
        return
    for file in fasta_files(source):
        if file != source:
            check_regular(Path(file))
        yield from read_fasta_file(file, strict, with_constraints)


def fasta_files(path: str | Path) -> list[str | Path]:
    """The FASTA files of a folder in order of their names, or the file (or "-") itself.

    Raises:
        InputError: a folder without FASTA files.
    """
    if str(path) == STDIN or not Path(path).is_dir():
        return [path]
    files = list_files(path, SUFFIXES)
    if not files:
        suffixes = ", ".join(sorted(SUFFIXES))
        raise InputError(f"no FASTA file in this folder ({suffixes}, also .gz)", path=path)
    return list(files)


def read_fasta_file(
    path: str | Path, strict: bool = False, with_constraints: bool = False
) -> Iterator[Scanned]:
    """Yield the records of a file ("-": standard input), with an error for each bad record.

    Standard input may also hold bare sequences, one a line, as RNAfold reads them.

    Raises:
        InputError: the file cannot be read, or holds no record.
        SequenceError: text before the first header.
    """
    name = "stdin" if str(path) == STDIN else str(path)
    is_empty = True
    try:
        lines = read_lines(path)
        is_bare = False
        if name == "stdin" and not with_constraints:
            is_bare, lines = _peek_bare(lines)
        results = (
            scan_bare(lines, strict) if is_bare else scan_fasta(lines, strict, with_constraints)
        )
        for result in results:
            is_empty = False
            yield result if isinstance(result, RnaRecord) else result.at(name)  # type: ignore[misc]  # at() keeps the class
    except SequenceError as error:
        raise error.at(name) from None
    if is_empty:
        raise InputError("no FASTA record (expected a line that starts with '>')", path=name)


def scan_fasta(
    lines: Iterable[str], strict: bool = False, with_constraints: bool = False
) -> Iterator[Scanned]:
    """Yield each record, or its first error, in file order.

    Raises:
        SequenceError: text before the first header; such a file is not FASTA.
    """
    return (found for _, found in scan_numbered(lines, strict, with_constraints))


def scan_numbered(
    lines: Iterable[str], strict: bool = False, with_constraints: bool = False
) -> Iterator[tuple[int, Scanned]]:
    """The same, each with its line: that of the constraints, or else of the header."""
    check = _LineCheck(lines, strict, with_constraints)
    for number, (title, text) in enumerate(_split_records(check.lines()), start=1):
        name = record_id(title, number)
        header, error, constraint = check.finish(number)
        if error is not None:
            yield header, SequenceError(error[0], line=error[1], column=error[2], record=name)
        elif not text:
            yield header, SequenceError("no sequence below this header", line=header, record=name)
        elif constraint is None:
            yield header, _record(name, title, text)
        else:
            yield constraint[0], _constrained(_record(name, title, text), *constraint)


def _split_records(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield header and sequence of each record, once the next header or the end is read."""
    title: str | None = None
    parts: list[str] = []
    for line in lines:
        if line.startswith(">"):
            if title is not None:
                yield title, "".join(parts)
            title, parts = line[1:].rstrip(), []
        else:
            parts.extend(line.split())
    if title is not None:
        yield title, "".join(parts)


def _constrained(record: RnaRecord, line: int, text: str) -> RnaRecord | ConstraintError:
    if len(text) != len(record):
        message = f"{len(text)} signs of constraints for {len(record)} bases"
        return ConstraintError(message, line=line, record=record.id)
    try:
        return replace(record, constraints=parse_constraints(text))
    except ConstraintError as error:
        return ConstraintError(error.message, line=line, record=record.id)


def scan_bare(lines: Iterable[str], strict: bool = False) -> Iterator[RnaRecord | SequenceError]:
    """Yield a record `sequence_N`, or its first error, for each line that is not blank.

    Raises:
        SequenceError: a header between the sequences.
    """
    check = _LineCheck((), strict)
    count = 0
    for number, raw_line in enumerate(lines, start=1):
        line = raw_line.rstrip()
        if line.startswith(">"):
            message = "a FASTA header after sequences without one; expected one kind of input"
            raise SequenceError(message, line=number, column=1)
        if not line or line.startswith(";"):
            continue
        count += 1
        name = f"sequence_{count}"
        error = check.line_error(line, number)
        if error is not None:
            yield SequenceError(error[0], line=error[1], column=error[2], record=name)
        else:
            yield _record(name, "", "".join(line.split()))


def _peek_bare(lines: Iterator[str]) -> tuple[bool, Iterator[str]]:
    """Whether the first line with content is a bare sequence, and all lines."""
    head: list[str] = []
    for line in lines:
        head.append(line)
        if line.strip() and not line.startswith((";", "#")):
            break
    is_bare = bool(head) and bool(head[-1].strip()) and READABLE.issuperset(head[-1])
    return is_bare, itertools.chain(head, lines)


def record_id(title: str, number: int) -> str:
    """The first word of a header; `sequence_N` for the N-th record if the header is empty."""
    words = title.split(maxsplit=1)
    return words[0] if words else f"sequence_{number}"


def _record(name: str, title: str, text: str) -> RnaRecord:
    words = title.split(maxsplit=1)
    return RnaRecord(name, text, words[1].strip() if len(words) > 1 else "")


class _LineCheck:
    """Filters lines and collects what belongs to each record.

    This is the line of its header, its first error, and its constraints.
    """

    def __init__(self, lines: Iterable[str], strict: bool, with_constraints: bool = False) -> None:
        self._lines = lines
        self._with_constraints = with_constraints
        self._constraints: dict[int, tuple[int, str]] = {}  # record number -> line, signs
        self._allowed = UNAMBIGUOUS | frozenset(" \t") if strict else READABLE
        self._count = 0  # headers seen
        self._letters = 0  # of the current record
        self._headers: dict[int, int] = {}  # record number -> line
        self._errors: dict[int, tuple[str, int, int]] = {}  # record number -> message, line, column

    def lines(self) -> Iterator[str]:
        """Yield headers and valid lines."""
        for number, raw_line in enumerate(self._lines, start=1):
            line = raw_line.rstrip("\r\n")
            if line.startswith(">"):
                self._count += 1
                self._letters = 0
                self._headers[self._count] = number
                yield line
            elif not line.strip() or line.startswith(";"):
                continue
            elif not self._count:
                if line.startswith("# STOCKHOLM"):
                    message = "this looks like Stockholm; expected FASTA, with '>' before each name"
                    raise SequenceError(message, line=number, column=1)
                if not line.startswith("#"):
                    raise _before_header(line, number)
            elif self._check_letters(line, number):
                yield line.replace("\t", " ")

    def _check_letters(self, line: str, number: int) -> bool:
        if self._with_constraints and self._letters and _has_signs(line):
            self._add_constraints(line, number)
            return False
        self._letters += len(line)
        error = self.line_error(line, number, self._letters)
        if error is not None:
            self._errors.setdefault(self._count, error)
        return error is None

    def line_error(
        self, line: str, number: int, letters: int | None = None
    ) -> tuple[str, int, int] | None:
        """Message, line and column of the first error, if `letters` is the record's size so far."""
        if (len(line) if letters is None else letters) > MAX_BASES:  # bounds the memory
            message = f"more than {MAX_BASES:,} letters (the limit per record)"
            return message, number, 1
        for column, letter in enumerate(line, 1) if not self._allowed.issuperset(line) else ():
            if letter not in self._allowed:
                return letter_error(letter, line), number, column
        return None

    def _add_constraints(self, line: str, number: int) -> None:
        if self._count in self._constraints:
            message = "a second line of constraints; expected one below the sequence"
            self._errors.setdefault(self._count, (message, number, 1))
        self._constraints[self._count] = number, line.strip()

    def finish(
        self, record: int
    ) -> tuple[int, tuple[str, int, int] | None, tuple[int, str] | None]:
        """The header line, the error and the constraints of a record that was read to its end."""
        header, error = self._headers.pop(record), self._errors.pop(record, None)
        return header, error, self._constraints.pop(record, None)


def _has_signs(line: str) -> bool:
    """Whether a line has signs of constraints; a sequence has none, gaps included."""
    return bool((SIGNS - {UNPAIRED}).intersection(line)) or set(line.strip()) == {UNPAIRED}


def _before_header(line: str, number: int) -> SequenceError:
    kind = next((name for name, begin in _OTHER_FORMATS.items() if begin.match(line)), None)
    if kind is not None:
        message = f"this looks like {kind}; expected FASTA, with '>' before each name"
    else:
        message = "expected a FASTA header ('>' and a name) before any sequence"
    return SequenceError(message, line=number, column=1)
