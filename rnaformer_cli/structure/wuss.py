"""WUSS notation of Rfam and Infernal: dot-bracket whose symbols name the loops and helices."""

from __future__ import annotations

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.brackets import nested_layers
from rnaformer_cli.structure.structure import BasePair, Structure, StructureRecord

_HELICES = ("<>", "()", "[]", "{}")  # by the nesting depth of multiloops
_EXTERNAL = ":"
_LOOPS = "_-,"  # of a hairpin, an interior loop, a multiloop
MAX_PSEUDOKNOTS = 26  # levels: Aa to Zz


def format_wuss(structure: Structure) -> str:
    """Format one structure in WUSS notation; `parse_dot_bracket` reads it.

    The largest nested set of pairs has brackets: `<>` without a multiloop inside, and `()`, `[]`,
    `{}` around one, two, or more levels of multiloops. Unpaired bases are `_` in hairpins, `-` in
    bulges and interior loops, `,` in multiloops and `:` outside all pairs. Pairs of pseudoknots are
    letters (`A` to `a`), and count as unpaired bases for the loops.

    Raises:
        StructureError: a base with several partners, or too many levels of crossing pairs.
    """
    structure.partners()  # raises for multiplets
    layers = nested_layers(structure)
    if len(layers) > MAX_PSEUDOKNOTS + 1:
        message = f"pairs cross on more than {MAX_PSEUDOKNOTS + 1} levels, which WUSS cannot hold"
        raise StructureError(message)
    symbols = _nested_symbols(structure.length, layers[0] if layers else [])
    for level, pairs in enumerate(layers[1:]):
        for left, right in pairs:
            symbols[left], symbols[right] = chr(ord("A") + level), chr(ord("a") + level)
    return "".join(symbols)


def format_wuss_record(record: StructureRecord) -> str:
    """Format three lines: `>id`, sequence, structure in WUSS notation.

    Raises:
        StructureError: as in `format_wuss`.
    """
    return f">{record.id}\n{record.sequence}\n{format_wuss(record.structure)}\n"


def _nested_symbols(length: int, pairs: list[BasePair]) -> list[str]:
    symbols = [_EXTERNAL] * length
    depths: dict[BasePair, int] = {}  # levels of multiloops that each pair closes or encloses
    enclosed = _enclosed_pairs(pairs)
    for pair in sorted(pairs, key=lambda pair: pair[1]):  # inner pairs first
        inner = enclosed[pair]
        depths[pair] = max((depths[one] for one in inner), default=0) + (len(inner) > 1)
        left, right = pair
        brackets = _HELICES[min(depths[pair], len(_HELICES) - 1)]
        symbols[left], symbols[right] = brackets[0], brackets[1]
        loop = _LOOPS[min(len(inner), 2)]
        start = left + 1
        for end, after in [*((one[0], one[1] + 1) for one in inner), (right, right)]:
            symbols[start:end] = loop * (end - start)
            start = after
    return symbols


def _enclosed_pairs(pairs: list[BasePair]) -> dict[BasePair, list[BasePair]]:
    """The pairs directly inside each pair, from 5' to 3'."""
    enclosed: dict[BasePair, list[BasePair]] = {pair: [] for pair in pairs}
    enclosing: list[BasePair] = []
    for pair in sorted(pairs):
        while enclosing and enclosing[-1][1] < pair[0]:
            enclosing.pop()
        if enclosing:
            enclosed[enclosing[-1]].append(pair)
        enclosing.append(pair)
    return enclosed
