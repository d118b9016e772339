"""Constraints on the structure of one RNA, and RNAfold's notation for them."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from rnaformer_cli.errors import ConstraintError, shorten_repr

MIN_LOOP = 3  # unpaired bases in the smallest hairpin loop
UNPAIRED, PAIRED, DOWNSTREAM, UPSTREAM = "x", "|", "<", ">"
_BRACKETS = {")": "(", "]": "[", "}": "{"}
_SINGLE = {UNPAIRED: "unpaired", PAIRED: "paired", DOWNSTREAM: "downstream", UPSTREAM: "upstream"}
_PAIR_FIELDS = ("pairs", "forbidden")
SYMBOLS = frozenset(".x|<>()[]{}")
_EXPECTED = "expected . x | < > ( ) [ ] or { }"

Pair = tuple[int, int]  # left, right: 0-based, left < right
Conflict = tuple[int, str]  # the base, 0-based, and the message


class ConflictError(ConstraintError):
    """Constraints that cannot be met, because of this base (0-based)."""

    def __init__(self, message: str, *, base: int = 0, **place: Any) -> None:
        super().__init__(message, **place)
        self.base = base


@dataclass(frozen=True, slots=True)
class Constraints:
    """Constraints on the structure of an RNA. Bases are 0-based.

    Any collections of bases and pairs are accepted; they become frozen sets.

    Raises:
        ConstraintError: a base that the RNA does not have, or constraints that contradict each
            other or that no structure can meet.
        TypeError: a base or a length that is no whole number, or a pair that is not two bases.
    """

    length: int
    pairs: frozenset[Pair] = field(default_factory=frozenset)  # forced: in every structure
    forbidden: frozenset[Pair] = field(default_factory=frozenset)  # excluded: in no structure
    unpaired: frozenset[int] = field(default_factory=frozenset)  # in no pair
    paired: frozenset[int] = field(default_factory=frozenset)  # paired with any base
    downstream: frozenset[int] = field(default_factory=frozenset)  # paired with a base further 3'
    upstream: frozenset[int] = field(default_factory=frozenset)  # paired with a base further 5'

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", _whole_number(self.length, "length"))
        for name in (*_PAIR_FIELDS, *_SINGLE.values()):
            read = _read_pair if name in _PAIR_FIELDS else _whole_number
            values = frozenset(read(value, name) for value in getattr(self, name))
            object.__setattr__(self, name, values)
        found = next(conflicts(self), None)
        if found is not None:
            raise ConflictError(found[1], base=found[0])

    def __len__(self) -> int:
        return self.length

    @property
    def is_empty(self) -> bool:
        """Whether there are no constraints."""
        return not any(getattr(self, one.name) for one in fields(self) if one.name != "length")

    @property
    def required(self) -> frozenset[int]:
        """The bases that must pair and whose partner is not known."""
        forced = {base for pair in self.pairs for base in pair}
        return (self.paired | self.downstream | self.upstream) - forced

    def to_dict(self) -> dict[str, list[Any]]:
        """Sorted lists of bases and pairs, 1-based."""
        listed: dict[str, list[Any]] = {}
        for name in _PAIR_FIELDS:
            listed[name] = [[left + 1, right + 1] for left, right in sorted(getattr(self, name))]
        for name in _SINGLE.values():
            listed[name] = [base + 1 for base in sorted(getattr(self, name))]
        return listed


def _whole_number(value: Any, name: str) -> int:
    """A number as an int, also one of NumPy.

    Raises:
        TypeError: another value.
    """
    try:
        return operator.index(value)
    except TypeError:
        message = f"{name} of constraints: expected a whole number, not {shorten_repr(value)}"
        raise TypeError(message) from None


def _read_pair(value: Any, name: str) -> Pair:
    """Two bases.

    Raises:
        TypeError: another value.
    """
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        message = f"{name} of constraints: expected pairs of bases, not {shorten_repr(value)}"
        raise TypeError(message)
    return _whole_number(value[0], name), _whole_number(value[1], name)


def parse_constraints(text: str) -> Constraints:
    """Parse constraints in RNAfold's notation, with one symbol per base.

    `.` not constrained, `x` unpaired, `|` paired, `<` paired with a base downstream, `>` paired
    with a base upstream, `( )` paired with each other. `[ ]` and `{ }` are pairs that may cross
    others.

    Raises:
        ConstraintError: an unknown symbol, an unbalanced bracket, or constraints that cannot be
            met.
    """
    opened: dict[str, list[int]] = {}
    pairs: set[Pair] = set()
    single: dict[str, set[int]] = {name: set() for name in _SINGLE.values()}
    for base, symbol in enumerate(text):
        if symbol in _SINGLE:
            single[_SINGLE[symbol]].add(base)
        elif symbol in _BRACKETS.values():
            opened.setdefault(symbol, []).append(base)
        elif symbol in _BRACKETS:
            waiting = opened.get(_BRACKETS[symbol])
            if not waiting:
                raise ConstraintError(f"{symbol!r} at base {base + 1} closes nothing")
            pairs.add((waiting.pop(), base))
        elif symbol != ".":
            message = f"{symbol!r} at base {base + 1} is not a constraint; {_EXPECTED}"
            raise ConstraintError(message)
    left_open = [(bases[-1], symbol) for symbol, bases in opened.items() if bases]
    if left_open:
        base, symbol = min(left_open)
        raise ConstraintError(f"{symbol!r} at base {base + 1} is never closed")
    return Constraints(
        len(text),
        frozenset(pairs),
        unpaired=frozenset(single["unpaired"]),
        paired=frozenset(single["paired"]),
        downstream=frozenset(single["downstream"]),
        upstream=frozenset(single["upstream"]),
    )


def conflicts(constraints: Constraints) -> Iterator[Conflict]:
    """Yield each conflict with the RNA, with another constraint or with the smallest hairpin."""
    partners: dict[int, int] = {}
    for pair in sorted(constraints.pairs):
        yield from _pair_conflicts(constraints, pair)
        for base, partner in (pair, pair[::-1]):
            other = partners.setdefault(base, partner)
            if other != partner:
                first, second = sorted((other + 1, partner + 1))
                yield base, f"base {base + 1} has two partners, {first} and {second}"
    for pair in sorted(constraints.forbidden):
        yield from _range_conflicts(constraints, pair)
    names = _SINGLE.values()
    for base in sorted(set().union(*(getattr(constraints, name) for name in names))):
        yield from _base_conflicts(constraints, base, partners.get(base))


def _range_conflicts(constraints: Constraints, pair: Pair) -> Iterator[Conflict]:
    left, right = pair
    if not 0 <= left < right < constraints.length:
        bases = f"{shorten_repr(left + 1)} and {shorten_repr(right + 1)}"
        message = f"bases {bases} are not a pair of an RNA of {constraints.length} bases"
        yield right, message


def _pair_conflicts(constraints: Constraints, pair: Pair) -> Iterator[Conflict]:
    yield from _range_conflicts(constraints, pair)
    left, right = pair
    bases = f"bases {left + 1} and {right + 1}"
    if right - left <= MIN_LOOP:
        between = right - left - 1
        message = f"{bases} must pair, but have {between} between them; a hairpin loop has at least"
        yield right, f"{message} {MIN_LOOP}"
    if pair in constraints.forbidden:
        yield right, f"{bases} must pair, and must not pair"


def _base_conflicts(constraints: Constraints, base: int, partner: int | None) -> Iterator[Conflict]:
    name = f"base {base + 1}"
    if not 0 <= base < constraints.length:
        name = f"base {shorten_repr(base + 1)}"
        yield base, f"{name} is beyond the RNA, which has {constraints.length} bases"
    is_down, is_up = base in constraints.downstream, base in constraints.upstream
    is_paired = is_down or is_up or base in constraints.paired or partner is not None
    if base in constraints.unpaired and is_paired:
        yield base, f"{name} must be unpaired, and must pair"
    if is_down and is_up:
        yield base, f"{name} must pair downstream, and must pair upstream"
    if partner is not None and ((is_down and partner < base) or (is_up and partner > base)):
        direction = "downstream" if is_down else "upstream"
        yield base, f"{name} must pair {direction}, and with base {partner + 1}"
    if is_down and base + MIN_LOOP + 1 >= constraints.length:
        yield base, f"{name} must pair downstream, where no base is far enough for a hairpin"
    if is_up and base <= MIN_LOOP:
        yield base, f"{name} must pair upstream, where no base is far enough for a hairpin"
