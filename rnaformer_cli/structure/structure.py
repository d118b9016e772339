"""The secondary structure of an RNA: its base pairs."""

from __future__ import annotations

import itertools
import operator
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from rnaformer_cli.errors import StructureError, shorten_repr
from rnaformer_cli.limits import MAX_BASES
from rnaformer_cli.structure.crossing import crosses

BasePair = tuple[int, int]  # left, right: 0-based, left < right

_SHOWN_PAIRS = 10  # in the repr
CANONICAL = frozenset({"AU", "UA", "GC", "CG", "GU", "UG"})


@dataclass(frozen=True, slots=True)
class Structure:
    """The base pairs of one RNA. A base may have several partners (a multiplet).

    Any collection of pairs of whole numbers is accepted; it becomes a frozen set.

    Raises:
        StructureError: a pair that does not fit the RNA, or a negative length.
        TypeError: a length or a base that is no whole number.
    """

    length: int
    pairs: frozenset[BasePair] = frozenset()

    def __post_init__(self) -> None:
        index = operator.index  # also reads whole numbers of NumPy
        object.__setattr__(self, "length", index(self.length))
        pairs = frozenset((index(left), index(right)) for left, right in self.pairs)
        object.__setattr__(self, "pairs", pairs)
        if self.length < 0:
            raise StructureError(f"an RNA of {self.length} bases")
        for left, right in self.pairs:
            if not 0 <= left < right < self.length:
                pair = f"({shorten_repr(left + 1)}, {shorten_repr(right + 1)})"
                raise StructureError(f"pair {pair} does not fit an RNA of {self.length} bases")

    def __repr__(self) -> str:
        shown = [str(pair) for pair in self.sorted_pairs[:_SHOWN_PAIRS]]
        if len(self.pairs) > _SHOWN_PAIRS:
            shown.append(f"... {len(self.pairs)} pairs")
        return f"Structure(length={self.length}, pairs={{{', '.join(shown)}}})"

    @property
    def sorted_pairs(self) -> list[BasePair]:
        """The pairs, sorted by their left base."""
        return sorted(self.pairs)

    def multiplets(self) -> list[int]:
        """The bases with several partners, 0-based, in order."""
        partners = Counter(base for pair in self.pairs for base in pair)
        return sorted(base for base, count in partners.items() if count > 1)

    def partners(self) -> list[int]:
        """The partner of each base, 0-based, or -1.

        Raises:
            StructureError: a base has several partners.
        """
        multiplets = self.multiplets()
        if multiplets:
            raise StructureError(
                f"base {multiplets[0] + 1} has several partners, which this format cannot hold; "
                "write JSON Lines or TSV"
            )
        table = [-1] * self.length
        for left, right in self.pairs:
            table[left], table[right] = right, left
        return table

    def crossing_pairs(self) -> frozenset[BasePair]:
        """All pairs that cross another pair: those of both helices of a pseudoknot."""
        pairs = self.sorted_pairs
        return frozenset(itertools.compress(pairs, crosses(pairs).tolist()))

    def only_canonical(self, sequence: str) -> Structure:
        """The structure without pairs other than Watson-Crick and G-U."""
        kept = (pair for pair in self.pairs if is_canonical(sequence, pair))
        return Structure(self.length, frozenset(kept))


@dataclass(frozen=True, slots=True)
class StructureRecord:
    """A structure with the id and sequence of its RNA; the sequence is in upper case.

    Raises:
        StructureError: an empty or too long sequence, a letter that files cannot hold, or a
            sequence and a structure of different lengths.
    """

    id: str
    sequence: str
    structure: Structure
    description: str = ""

    def __post_init__(self) -> None:
        if not self.sequence:
            raise StructureError("no sequence", record=self.id)
        check_size(len(self.sequence), self.id)
        if not _is_writable(self.sequence):
            invalid = next(letter for letter in self.sequence if not _is_writable(letter))
            raise StructureError(f"{invalid!r} is not a letter of a sequence", record=self.id)
        if len(self.sequence) != self.structure.length:
            raise StructureError(
                f"{len(self.sequence)} bases, but a structure of {self.structure.length}",
                record=self.id,
            )

    def __repr__(self) -> str:
        name, sequence = shorten_repr(self.id), shorten_repr(self.sequence)
        return f"StructureRecord({name}, {sequence}, {self.structure!r})"


def check_size(bases: int, name: str | None = None, line: int | None = None) -> None:
    """Reject a record above the size limit.

    Raises:
        StructureError: more than MAX_BASES bases.
    """
    if bases > MAX_BASES:
        message = f"more than {MAX_BASES:,} bases (the limit per record)"
        raise StructureError(message, record=name, line=line)


def _is_writable(letters: str) -> bool:
    """Whether files can hold the letters as one word; `>` and `#` start records and comments."""
    return letters.isascii() and letters.isprintable() and not set(letters) & set(" >#")


def is_canonical(sequence: str, pair: BasePair) -> bool:
    """Whether a pair is Watson-Crick or G-U."""
    return sequence[pair[0]] + sequence[pair[1]] in CANONICAL


def noncanonical_pairs(sequence: str, pairs: Iterable[BasePair]) -> list[str]:
    """Descriptions of the non-canonical pairs of known bases, such as `bases 3 and 9 (G-A)`."""
    return [
        f"bases {left + 1} and {right + 1} ({sequence[left]}-{sequence[right]})"
        for left, right in sorted(pairs)
        if "N" not in (sequence[left], sequence[right])
        and not is_canonical(sequence, (left, right))
    ]


def to_rna(text: str) -> str:
    """The letters in upper case, with U for T."""
    return text.upper().replace("T", "U")


def group_into_stems(pairs: Iterable[BasePair]) -> list[list[BasePair]]:
    """The stems (runs of directly stacked pairs), outermost pair first, from 5' to 3'."""
    stems: list[list[BasePair]] = []
    ends: dict[BasePair, list[BasePair]] = {}  # innermost pair -> its stem
    for left, right in sorted(pairs):
        stem = ends.pop((left - 1, right + 1), None)
        if stem is None:
            stem = []
            stems.append(stem)
        stem.append((left, right))
        ends[left, right] = stem
    return stems
