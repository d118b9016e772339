"""Dot-bracket notation, with pseudoknots such as `.((..[[..))..]].`."""

from __future__ import annotations

from string import ascii_lowercase, ascii_uppercase

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.nesting import heaviest_nested
from rnaformer_cli.structure.structure import BasePair, Structure, group_into_stems

BRACKETS = ["()", "[]", "{}", "<>"] + [
    a + b for a, b in zip(ascii_uppercase, ascii_lowercase, strict=True)
]
UNPAIRED = ".,-:_~"
MAX_CROSSING_ENDS = 4_000  # ends of crossing helices; real RNAs have hundreds
TWO_STRANDS = "two strands; a structure of one strand is expected"

_OPENING = {pair[0]: pair for pair in BRACKETS}
_CLOSING = {pair[1]: pair for pair in BRACKETS}


def parse_dot_bracket(text: str) -> Structure:
    """Parse one structure; `. , - : _ ~` are unpaired bases.

    Raises:
        StructureError: an unknown character, or an unbalanced bracket.
    """
    open_bases: dict[str, list[int]] = {}
    pairs: set[BasePair] = set()
    for index, symbol in enumerate(text):
        if symbol in UNPAIRED:
            continue
        if symbol in _OPENING:
            open_bases.setdefault(symbol, []).append(index)
        elif symbol in _CLOSING:
            waiting = open_bases.get(_CLOSING[symbol][0])
            if not waiting:
                raise StructureError(f"{symbol!r} at base {index + 1} closes nothing")
            pairs.add((waiting.pop(), index))
        elif symbol == "&":
            raise StructureError(f"'&' at base {index + 1}: {TWO_STRANDS}")
        else:
            raise StructureError(f"{symbol!r} at base {index + 1} is not dot-bracket notation")
    left_open = [(bases[-1], symbol) for symbol, bases in open_bases.items() if bases]
    if left_open:
        base, symbol = min(left_open)
        raise StructureError(f"{symbol!r} at base {base + 1} is never closed")
    return Structure(len(text), frozenset(pairs))


def format_dot_bracket(structure: Structure) -> str:
    """Format one structure; each level of crossing pairs uses another kind of bracket.

    Raises:
        StructureError: a base with several partners, more levels than there are brackets, or
            more than MAX_CROSSING_ENDS ends of helices that cross.
    """
    structure.partners()  # raises for multiplets
    dot_bracket = ["."] * structure.length
    for level, pairs in enumerate(nested_layers(structure)):
        if level == len(BRACKETS):
            raise StructureError(
                f"pairs cross on more than {len(BRACKETS)} levels, which dot-bracket cannot "
                "hold; write CT, BPSEQ or JSON Lines"
            )
        for left, right in pairs:
            dot_bracket[left], dot_bracket[right] = BRACKETS[level][0], BRACKETS[level][1]
    return "".join(dot_bracket)


def nested_layers(structure: Structure) -> list[list[BasePair]]:
    """Split the pairs into nested layers, each the largest nested set of the remaining pairs.

    No base may have several partners. Stacked pairs cross the same pairs and stay in one layer. If
    there are more layers than kinds of brackets, the last layer holds all remaining pairs.
    """
    remaining = group_into_stems(structure.pairs)
    layers: list[list[BasePair]] = []
    while remaining and len(layers) < len(BRACKETS):
        outermost = [stem[0] for stem in remaining]
        chosen = set(
            heaviest_nested(outermost, [len(stem) for stem in remaining], MAX_CROSSING_ENDS)
        )
        layers.append([pair for index in sorted(chosen) for pair in remaining[index]])
        remaining = [stem for index, stem in enumerate(remaining) if index not in chosen]
    return layers + ([[pair for stem in remaining for pair in stem]] if remaining else [])
