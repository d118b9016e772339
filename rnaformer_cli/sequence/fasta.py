"""FASTA reader.

Biopython splits the text into records. Every line is checked first, because Biopython accepts `;`
comments, digits and dot-bracket lines as parts of a sequence.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from Bio.SeqIO.FastaIO import SimpleFastaParser

from rnaformer_cli.errors import ConstraintError, InputError, SequenceError
from rnaformer_cli.files import STDIN, check_regular, list_files, read_lines
from rnaformer_cli.limits import MAX_BASES
from rnaformer_cli.sequence.constraints import SYMBOLS, UNPAIRED, parse_constraints
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
_BARE_WITH_CONSTRAINTS = (
    "bare sequences have no constraints below them; expected FASTA, with '>' and a name above each "
    "sequence and its constraints below"
)
_ENERGY = re.compile(r"\s+\(\s*-?\d+(?:\.\d+)?\)$")  # that RNAfold writes after a structure

Scanned = RnaRecord | SequenceError | ConstraintError


def read_fasta(
    source: str | Path | Iterable[str], strict: bool = False, with_constraints: bool = False
) -> Iterator[RnaRecord]:
    """Yield the records of a FASTA file, of all FASTA files of a folder, or of lines, in order.

    Blank and `;` lines are skipped; DNA is read as RNA. The path "-" is standard input.
    With `with_constraints`, a line of constraints may follow a sequence; see parse_constraints.

    Raises:
        InputError: a file that cannot be read or holds no record; a folder without such files.
        SequenceError: text before the first header, an empty record, or a letter that is
            not a base, with its line and column; with `strict` also an ambiguous letter.
        ConstraintError: constraints that cannot be met, or for more or fewer bases.
    """
    for result in _scan(source, strict, with_constraints):
        if not isinstance(result, RnaRecord):
            raise result
        yield result


def _scan(
    source: str | Path | Iterable[str], strict: bool, with_constraints: bool
) -> Iterator[Scanned]:
    if isinstance(source, str) and (source.startswith(">") or "\n" in source):
        message = "this is FASTA text; expected a path or lines: pass text.splitlines()"
        raise SequenceError(message)
    if not isinstance(source, (str, Path)):
        yield from scan_fasta(source, strict, with_constraints)
        return
    for file in fasta_files(source):
        if file != source:
            check_regular(Path(file))
        yield from read_fasta_file(file, strict, with_constraints)


def fasta_files(path: str | Path) -> list[str | Path]:
    """The FASTA files of a folder, sorted by name; for a file (or "-"), only the path itself.

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
    path: str | Path, strict: bool = False, with_constraints: bool = False, first: int = 1
) -> Iterator[Scanned]:
    """Yield the records of a file ("-": standard input), with an error for each bad record.

    Standard input may also hold bare sequences, one per line, as for RNAfold. `first` is the number
    of the first of these.

    Raises:
        InputError: the file cannot be read, or holds no record.
        SequenceError: text before the first header.
    """
    name = "stdin" if str(path) == STDIN else str(path)
    is_empty = True
    try:
        lines = read_lines(path)
        is_bare = False
        if name == "stdin":
            is_bare, lines = _peek_bare(lines)
        if is_bare and with_constraints:
            raise SequenceError(_BARE_WITH_CONSTRAINTS)
        results = (
            scan_bare(lines, strict, first)
            if is_bare
            else scan_fasta(lines, strict, with_constraints)
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
    """As scan_fasta, with the line number of each record's constraints, or else of its header."""
    check = _LineCheck(lines, strict, with_constraints)
    for number, (title, text) in enumerate(SimpleFastaParser(check.lines()), start=1):
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


def _constrained(record: RnaRecord, line: int, text: str) -> RnaRecord | ConstraintError:
    if len(text) != len(record):
        message = f"{len(text)} constraint symbols for {len(record)} bases"
        return ConstraintError(message, line=line, record=record.id)
    try:
        return replace(record, constraints=parse_constraints(text))
    except ConstraintError as error:
        return ConstraintError(error.message, line=line, record=record.id)


def scan_bare(
    lines: Iterable[str], strict: bool = False, first: int = 1
) -> Iterator[RnaRecord | SequenceError]:
    """Yield a record `sequence_N`, N from `first` on, for each line that is not blank.

    A line that is not a sequence gives its first error.

    Raises:
        SequenceError: a header between the sequences.
    """
    check = _LineCheck((), strict)
    count = first - 1
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
    """Whether the first line with content is a bare sequence, and an iterator over all lines."""
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
    """Passes valid lines to Biopython's parser.

    For each record it keeps the line number of the header, the first error and the constraints.
    """

    def __init__(self, lines: Iterable[str], strict: bool, with_constraints: bool = False) -> None:
        self._lines = lines
        self._with_constraints = with_constraints
        self._constraints: dict[int, tuple[int, str]] = {}  # record number -> line, symbols
        self._allowed = UNAMBIGUOUS | frozenset(" \t") if strict else READABLE
        self._count = 0  # headers seen
        self._letters = 0  # of the current record
        self._headers: dict[int, int] = {}  # record number -> line
        self._errors: dict[int, tuple[str, int, int]] = {}  # record number -> message, line, column

    def lines(self) -> Iterator[str]:
        """Yield headers and valid lines; a generator, because the parser iterates in two loops."""
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
                    raise _missing_header_error(line, number)
            elif self._check_letters(line, number):
                yield line.replace("\t", " ")

    def _check_letters(self, line: str, number: int) -> bool:
        if self._with_constraints and self._letters and _is_constraint_line(line):
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
        """Message, line and column of the first error in a line; None if the line is valid.

        `letters` is the number of letters of the record so far, this line included.
        """
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
        self._constraints[self._count] = number, _ENERGY.sub("", line.strip())

    def finish(
        self, record: int
    ) -> tuple[int, tuple[str, int, int] | None, tuple[int, str] | None]:
        """The header line, the error and the constraints of a record that was read to its end."""
        header, error = self._headers.pop(record), self._errors.pop(record, None)
        return header, error, self._constraints.pop(record, None)


def _is_constraint_line(line: str) -> bool:
    """Whether a line holds constraints: a symbol that no sequence has, or `x` for all bases."""
    return bool((SYMBOLS - {UNPAIRED}).intersection(line)) or set(line.strip()) == {UNPAIRED}


def _missing_header_error(line: str, number: int) -> SequenceError:
    kind = next((name for name, begin in _OTHER_FORMATS.items() if begin.match(line)), None)
    if kind is not None:
        message = f"this looks like {kind}; expected FASTA, with '>' before each name"
    else:
        message = "expected a FASTA header ('>' and a name) before any sequence"
    return SequenceError(message, line=number, column=1)
