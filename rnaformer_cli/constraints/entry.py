"""The constraints of one RNA as a file gives them, before they are matched to a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rnaformer_cli.errors import ConstraintError
from rnaformer_cli.sequence.constraints import ConflictError, Constraints

Bases = tuple[int, ...]  # one base, or the two of a pair; 0-based


@dataclass(frozen=True, slots=True)
class UnresolvedConstraints:
    """Constraints by position, for an RNA whose length and bases are not known yet."""

    pairs: Mapping[Bases, int]  # forced pairs -> line of the file
    forbidden: Mapping[Bases, int]
    unpaired: Mapping[Bases, int]
    paired: Mapping[Bases, int]
    pairs_with_g: Mapping[Bases, int]  # bases that must be U and pair with G

    def resolve(self, sequence: str) -> Constraints:
        """The constraints for an RNA with this sequence.

        Raises:
            ConstraintError: a position beyond the RNA, or constraints that cannot be met. The line
                of the error is the last one that names the base.
        """
        groups = (self.pairs, self.forbidden, self.unpaired, self.paired, self.pairs_with_g)
        named = [
            (line, base) for group in groups for bases, line in group.items() for base in bases
        ]
        lines = {base: line for line, base in sorted(named)}  # last line that names each base
        beyond = [base for base in sorted(lines) if base >= len(sequence)]
        if beyond:
            message = f"base {beyond[0] + 1} is beyond the RNA, which has {len(sequence)} bases"
            raise ConstraintError(message, line=lines[beyond[0]])
        forbidden = {(left, right) for left, right in self.forbidden}
        for (base,), line in self.pairs_with_g.items():
            if sequence[base] != "U":
                message = f"base {base + 1} is {sequence[base]!r}; FMN cleaves U in G-U pairs"
                raise ConstraintError(message, line=line)
            others = (other for other, letter in enumerate(sequence) if letter != "G")
            forbidden |= {(min(base, other), max(base, other)) for other in others if other != base}
        found = {
            "pairs": frozenset((left, right) for left, right in self.pairs),
            "forbidden": frozenset(forbidden),
            "unpaired": frozenset(base for (base,) in self.unpaired),
            "paired": frozenset(base for (base,) in (*self.paired, *self.pairs_with_g)),
        }
        try:
            return Constraints(len(sequence), **found)  # type: ignore[arg-type]  # pairs and bases
        except ConflictError as error:
            raise ConstraintError(error.message, line=lines[error.base]) from None


@dataclass(frozen=True, slots=True)
class ConstraintEntry:
    """The constraints of one RNA in a file."""

    id: str | None  # None: the file does not name its RNA
    constraints: Constraints | UnresolvedConstraints
    line: int
    sequence: str | None = None
    path: str | None = None

    def resolve(self, sequence: str) -> Constraints:
        """The constraints for an RNA with this sequence; see UnresolvedConstraints."""
        if isinstance(self.constraints, Constraints):
            return self.constraints
        return self.constraints.resolve(sequence)
