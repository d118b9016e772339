"""Convert RNAs given in Python (text, records, Biopython objects, paths) to records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path

from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord

from rnaformer_cli.errors import SequenceError, shorten_repr
from rnaformer_cli.files import suffix_of
from rnaformer_cli.sequence.fasta import SUFFIXES, read_fasta, record_id
from rnaformer_cli.sequence.record import RnaRecord

Rna = RnaRecord | SeqRecord | Seq | str  # one RNA; text is its sequence
ONE_RNA = (RnaRecord, SeqRecord, Seq, str)
Rnas = Path | Iterable[Rna]  # a FASTA file, a folder of FASTA files, or RNAs
_ONE = "a sequence, RnaRecord(id, sequence), Seq or SeqRecord"


def to_records(rnas: Rnas) -> Iterator[RnaRecord]:
    """Yield a record for each RNA, in order; sequences without a name are `sequence_N`.

    Raises:
        SequenceError: an RNA without a sequence, or a letter that is not a base.
        InputError: a file that cannot be read or holds no record.
        TypeError: at once for a dict, a set, bytes or a pair of texts; for another RNA when its
            turn comes.
    """
    if isinstance(rnas, Path):
        return read_fasta(rnas)
    _check_collection(rnas)
    return (to_record(rna, number) for number, rna in enumerate(rnas, start=1))


def to_record(rna: Rna, number: int = 1) -> RnaRecord:
    """The record of one RNA; a sequence without a name is `sequence_N`.

    Raises:
        SequenceError: no sequence, or a letter that is not a base.
        TypeError: a value of another kind.
    """
    if isinstance(rna, RnaRecord):
        return rna
    if isinstance(rna, SeqRecord):
        return _from_biopython(rna, number)
    if isinstance(rna, Seq):
        rna = str(rna)
    if not isinstance(rna, str):
        raise TypeError(f"expected {_ONE}, not {type(rna).__name__}")
    _check_sequence(rna)
    return RnaRecord(record_id("", number), rna)


def _from_biopython(rna: SeqRecord, number: int) -> RnaRecord:
    """The record; in Biopython the description of a FASTA record begins with its id."""
    name = "" if rna.id in (None, "<unknown id>") else str(rna.id)
    description = "" if rna.description == "<unknown description>" else str(rna.description)
    first, _, rest = description.partition(" ")
    description = rest.strip() if first == name else description
    return RnaRecord(record_id(name, number), str(rna.seq), description)


def _check_sequence(text: str) -> None:
    """Reject text that is a file name or the content of a FASTA file.

    Raises:
        SequenceError: such a text.
    """
    if text.startswith(">"):
        message = "this is FASTA text; expected a sequence: use read_fasta(text.splitlines())"
        raise SequenceError(message)
    if "/" in text or "\\" in text or suffix_of(text) in SUFFIXES:
        name = shorten_repr(text)
        raise SequenceError(f"{name} is a file name; expected a sequence: pass Path({name})")


def _check_collection(rnas: Iterable[Rna]) -> None:
    """Reject collections whose items are not RNAs in order, although they can be iterated.

    Raises:
        TypeError: a mapping, a set, bytes, a pair of texts (an id and its sequence?), or no
            iterable.
    """
    kind = type(rnas).__name__
    if isinstance(rnas, Mapping):
        hint = "[RnaRecord(id, sequence) for id, sequence in rnas.items()]"
        raise TypeError(f"expected RNAs in order, not {kind}: give {hint}")
    if isinstance(rnas, Set | bytes | bytearray) or not isinstance(rnas, Iterable):
        raise TypeError(f"expected {_ONE}, a Path, or a list of RNAs, not {kind}")
    if isinstance(rnas, tuple) and len(rnas) == 2 and all(isinstance(rna, str) for rna in rnas):
        message = "a tuple of two texts may be an id and a sequence: give RnaRecord(id, sequence)"
        raise TypeError(f"{message}, or a list of two sequences")
