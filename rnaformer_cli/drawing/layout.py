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


def plane(structure: Structure) -> tuple[Coordinates, list[BasePair]]:
    """The place of each base, (L, 2), and the pairs that the layout does not show as helices.

    The layout is RNApuzzler's (Wiegreffe 2019), free of overlaps, of the largest set of pairs
    that do not cross; pseudoknots have to be drawn on top of it.

    Raises:
        DependencyError: ViennaRNA is not installed.
    """
    vienna = _vienna()
    # Neighbours cannot stand opposite each other: RNApuzzler does not come to an end with them.
    apart = [pair for pair in structure.sorted_pairs if pair[1] > pair[0] + 1]
    shown = [apart[index] for index in heaviest_nested(apart, [1] * len(apart))]
    signs = format_dot_bracket(Structure(structure.length, frozenset(shown)))
    vienna.cvar.rna_plot_type = vienna.PLOT_TYPE_PUZZLER
    found = vienna.get_xy_coordinates(signs)
    places = np.array([(found.get(i).X, found.get(i).Y) for i in range(len(signs))])
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    scale = STEP / float(np.median(steps)) if len(steps) and np.median(steps) > 0 else 1.0
    return (places - places[0]) * scale, sorted(structure.pairs - set(shown))


def _vienna() -> Any:
    try:
        return importlib.import_module("RNA")
    except ImportError:
        message = "layouts need ViennaRNA: pip install 'rnaformer-cli[draw]'"
        raise DependencyError(message) from None
