"""Where each base of a structure stands in the plane."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.errors import DependencyError
from rnaformer_cli.structure.brackets import format_dot_bracket
from rnaformer_cli.structure.nesting import heaviest_nested
from rnaformer_cli.structure.structure import BasePair, Structure

Coordinates = NDArray[np.float64]

STEP = 1.0  # distance of neighbouring bases in a helix
# Up to which RNApuzzler is asked: its time grows without bound with what it has to move apart.
MAX_HAIRPINS = 150
MAX_BRANCHINGS = 30  # multiloops within each other


def plane(structure: Structure) -> tuple[Coordinates, list[BasePair]]:
    """The place of each base, (L, 2), and the pairs that the layout does not show as helices.

    The layout is RNApuzzler's (Wiegreffe 2019), free of overlaps, of the largest set of pairs
    that do not cross; pseudoknots have to be drawn on top of it. Structures with more than
    MAX_HAIRPINS or MAX_BRANCHINGS are laid out by RNAturtle, in which branches may overlap.

    Raises:
        DependencyError: ViennaRNA is not installed.
    """
    vienna = _vienna()
    # Neighbours cannot stand opposite each other: RNApuzzler does not come to an end with them.
    apart = [pair for pair in structure.sorted_pairs if pair[1] > pair[0] + 1]
    shown = [apart[index] for index in heaviest_nested(apart, [1] * len(apart))]
    signs = format_dot_bracket(Structure(structure.length, frozenset(shown)))
    kind = vienna.PLOT_TYPE_PUZZLER if _is_simple(signs) else vienna.PLOT_TYPE_TURTLE
    vienna.cvar.rna_plot_type = kind
    found = vienna.get_xy_coordinates(signs)
    places = np.array([(found.get(i).X, found.get(i).Y) for i in range(len(signs))])
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    scale = STEP / float(np.median(steps)) if len(steps) and np.median(steps) > 0 else 1.0
    return (places - places[0]) * scale, sorted(structure.pairs - set(shown))


def _is_simple(signs: str) -> bool:
    """Whether there are so few hairpins and multiloops that RNApuzzler comes to an end soon."""
    hairpins = deepest = 0
    helices = [[0, 0]]  # of each open pair: the pairs next to it, and the multiloops in those
    for sign in signs:
        if sign == "(":
            helices.append([0, 0])
        elif sign == ")":
            children, depth = helices.pop()
            hairpins += children == 0
            depth += children > 1
            helices[-1] = [helices[-1][0] + 1, max(helices[-1][1], depth)]
            deepest = max(deepest, depth)
    return hairpins <= MAX_HAIRPINS and deepest <= MAX_BRANCHINGS


def _vienna() -> Any:
    try:
        return importlib.import_module("RNA")
    except ImportError:
        message = "layouts need ViennaRNA: pip install 'rnaformer-cli[draw]'"
        raise DependencyError(message) from None
