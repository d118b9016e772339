"""FASTA text -> RnaRecord.

Biopython cuts the text into records; every line is checked on its way in, because Biopython
alone lets `;` comments, digits and whole dot-bracket lines become part of a sequence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from Bio.SeqIO.FastaIO import SimpleFastaParser

from rnaformer_cli.errors import InputError, SequenceError
from rnaformer_cli.files import STDIN, list_files, read_lines
from rnaformer_cli.limits import MAX_BASES
from rnaformer_cli.sequence.encode import ALPHABET, AMBIGUOUS, UNKNOWN
from rnaformer_cli.sequence.record import RnaRecord

SUFFIXES = {".fa", ".fas", ".fasta", ".ffn", ".fna", ".frn"}
_TO_RNA = str.maketrans("Tt" + AMBIGUOUS + AMBIGUOUS.lower(), "UU" + UNKNOWN * 2 * len(AMBIGUOUS))
_SURE = frozenset(ALPHABET + "T" + ALPHABET.lower() + "t")
_READABLE = _SURE | frozenset(AMBIGUOUS + AMBIGUOUS.lower()) | frozenset(" \t")
_AMINO_ACIDS = frozenset("EFILPQZJOefilpqzjo*")
_BRACKETS = frozenset("()[]{}<>")
_OTHER_FORMATS = {  # what the first line of another format begins with
    "FASTQ": re.compile("@"),
    "a structure in BPSEQ": re.compile(r"\s*\d+\s+[A-Za-z]\s+\d+\s*$"),
    "a structure in CT": re.compile(r"\s*\d+\s+\S"),
    "JSON": re.compile(r"\s*[{\[]"),
    "Clustal": re.compile("CLUSTAL"),
}


def read_fasta(lines: Iterable[str], strict: bool = False) -> Iterator[RnaRecord]:
    """Yield records in file order. Blank and `;` lines are skipped; DNA is read as RNA.

    Raises:
        SequenceError: text before the first header, an empty record, or a letter that is
            not a base, at its line and column; with `strict` also an ambiguous letter.
    """
    for found in scan_fasta(lines, strict):
        if isinstance(found, SequenceError):
            raise found
        yield found


def fasta_files(path: str | Path) -> list[str | Path]:
    """The FASTA files of a folder, in order of their names; a file (or "-") is itself.

    Raises:
        InputError: a folder without any.
    """
    if str(path) == STDIN or not Path(path).is_dir():
        return [path]
    found = list_files(path, SUFFIXES)
    if not found:
        names = ", ".join(sorted(SUFFIXES))
        raise InputError(f"no FASTA file in this folder ({names}, also .gz)", path=path)
    return list(found)


def read_fasta_file(path: str | Path, strict: bool = False) -> Iterator[RnaRecord | SequenceError]:
    """Yield the records of a file ("-": standard input) and its bad records, in file order.

    Raises:
        InputError: the file cannot be read, or holds no record at all.
        SequenceError: text before the first header.
    """
    name = "stdin" if str(path) == STDIN else str(path)
    is_empty = True
    try:
        for found in scan_fasta(read_lines(path), strict):
            is_empty = False
            yield found.at(name) if isinstance(found, SequenceError) else found  # type: ignore[misc]  # at() keeps the class
    except SequenceError as error:
        raise error.at(name) from None
    if is_empty:
        raise InputError("no FASTA record (expected a line that starts with '>')", path=name)


def scan_fasta(lines: Iterable[str], strict: bool = False) -> Iterator[RnaRecord | SequenceError]:
    """Yield each record, or the first thing that is wrong with it, in file order.

    Raises:
        SequenceError: text before the first header, after which nothing can be trusted.
    """
    check = _LineCheck(lines, strict)
    for number, (title, text) in enumerate(SimpleFastaParser(check.lines()), start=1):
        name = record_id(title, number)
        header, error = check.finish(number)
        if error is not None:
            yield SequenceError(error[0], line=error[1], column=error[2], record=name)
        elif not text:
            yield SequenceError("no sequence below this header", line=header, record=name)
        else:
            yield _record(name, title, text)


def record_id(title: str, number: int) -> str:
    """The first word of a header; `sequence_N` for the N-th record if there is none."""
    words = title.split(maxsplit=1)
    return words[0] if words else f"sequence_{number}"


def _record(name: str, title: str, text: str) -> RnaRecord:
    rna = text.translate(_TO_RNA).upper()
    ambiguous = sum(text.upper().count(letter) for letter in AMBIGUOUS)
    words = title.split(maxsplit=1)
    return RnaRecord(name, rna, words[1].strip() if len(words) > 1 else "", ambiguous)


class _LineCheck:
    """Lines for Biopython's parser; remembers where each record starts and what is wrong in it."""

    def __init__(self, lines: Iterable[str], strict: bool) -> None:
        self._lines = lines
        self._allowed = _SURE | frozenset(" \t") if strict else _READABLE
        self._count = 0  # headers seen
        self._letters = 0  # of the record so far
        self._headers: dict[int, int] = {}  # record number -> line
        self._errors: dict[int, tuple[str, int, int]] = {}  # -> message, line, column

    def lines(self) -> Iterator[str]:
        """Headers and good lines, once: the parser loops twice, and must go on, not begin again."""
        for number, whole in enumerate(self._lines, start=1):
            line = whole.rstrip("\r\n")  # an open file yields lines with their ends
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
        self._letters += len(line)
        if self._letters > MAX_BASES:  # and no more of it is held
            message = f"more than {MAX_BASES:,} letters, which is the limit of a record"
            self._errors.setdefault(self._count, (message, number, 1))
            return False
        if self._allowed.issuperset(line):
            return True
        column, letter = next(
            (place, sign) for place, sign in enumerate(line, 1) if sign not in self._allowed
        )
        self._errors.setdefault(self._count, (_letter_error(letter, line), number, column))
        return False

    def finish(self, record: int) -> tuple[int, tuple[str, int, int] | None]:
        """The header line of a record that was read to its end, and what was wrong in it."""
        return self._headers.pop(record), self._errors.pop(record, None)


def _before_header(line: str, number: int) -> SequenceError:
    kind = next((name for name, begin in _OTHER_FORMATS.items() if begin.match(line)), None)
    if kind is not None:
        message = f"this looks like {kind}; expected FASTA, with '>' before each name"
    else:
        message = "expected a FASTA header ('>' and a name) before any sequence"
    return SequenceError(message, line=number, column=1)


def _letter_error(letter: str, line: str) -> str:
    expected = "expected the bases A C G U (T)"
    if letter in _BRACKETS or (letter == "." and _BRACKETS & set(line)):
        return f"{letter!r}: this looks like dot-bracket; {expected}"
    if letter in "-.~":
        return f"{letter!r} is a gap; {expected} without gaps: ungap the sequence first"
    if letter.isdigit():
        return f"{letter!r} is a digit; {expected}"
    if letter in _AMINO_ACIDS:
        return f"{letter!r} is an amino acid letter; {expected}, not protein"
    if letter in _READABLE:
        return f"{letter!r} stands for more than one base; --strict takes only A C G U (T) and N"
    return f"{letter!r} is not an RNA base; {expected}, N or another IUPAC code"
