"""Layout of a structure in the plane."""

from __future__ import annotations

import importlib
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.errors import DependencyError
from rnaformer_cli.structure.brackets import format_dot_bracket, parse_dot_bracket
from rnaformer_cli.structure.nesting import heaviest_nested
from rnaformer_cli.structure.structure import BasePair, Structure

Coordinates = NDArray[np.float64]

BASE_DISTANCE = 1.0  # distance of neighbouring bases in a helix
MIN_DISTANCE = 0.9  # of bases that are not neighbours
MAX_COMPARED = 2_000  # bases of the longest RNA with several layouts; their time is quadratic
# Degrees by which the exterior loop is bent.
TURNS = (0, 45, -45, 90, -90, 135, -135, 180, -180, 225, -225, 270, -270, 315, -315)
STRETCHED = 1.3  # distance of neighbouring bases from which the backbone is stretched
# Limits of RNApuzzler: its time grows without bound with the number of overlaps to resolve, and on
# hairpin loops of one or two bases it may not terminate or may stop the process.
MIN_HAIRPIN = 3
MAX_HAIRPINS = 150
MAX_BRANCHINGS = 30  # multiloops inside each other
BASES_PER_LOOP = 5  # RNAplot reserves memory for one loop in so many bases, and writes beyond it


def layout_plane(structure: Structure) -> tuple[Coordinates, list[BasePair]]:
    """The coordinates (L, 2) of the bases, and the pairs that are not part of the layout.

    The largest set of pairs that do not cross is laid out. The caller draws the other pairs, the
    pseudoknots, on top of it. Of the layouts of RNAturtle, RNAplot and RNApuzzler (Wiegreffe
    2019), and of the first two with a bent exterior loop, the first without overlaps and stretched
    steps is taken, else the one with the fewest. RNApuzzler and RNAplot are left out where they
    may not terminate, or stop the process. RNAs of more than MAX_COMPARED bases have the layout of
    RNApuzzler, or that of RNAturtle where RNApuzzler is left out.

    Raises:
        DependencyError: ViennaRNA is not installed.
    """
    vienna = _vienna()
    # RNApuzzler does not terminate if neighbouring bases pair.
    pairs = [pair for pair in structure.sorted_pairs if pair[1] > pair[0] + 1]
    nested = [pairs[index] for index in heaviest_nested(pairs, [1] * len(pairs))]
    dot_bracket = format_dot_bracket(Structure(structure.length, frozenset(nested)))
    coordinates = _best(vienna, dot_bracket, _usable(vienna, dot_bracket))
    return coordinates, sorted(structure.pairs - set(nested))


def _usable(vienna: Any, dot_bracket: str) -> list[int]:
    """The layouts to compare, in the order in which they are preferred."""
    kinds = [vienna.PLOT_TYPE_TURTLE]
    if _count_loops(dot_bracket) <= len(dot_bracket) // BASES_PER_LOOP:
        kinds.append(vienna.PLOT_TYPE_SIMPLE)
    if _is_simple(dot_bracket):
        kinds.append(vienna.PLOT_TYPE_PUZZLER)
    if len(dot_bracket) > MAX_COMPARED:
        return [kind for kind in kinds if kind == vienna.PLOT_TYPE_PUZZLER] or kinds[:1]
    return kinds


def _best(vienna: Any, dot_bracket: str, kinds: list[int]) -> Coordinates:
    """The first layout without defects, else the one with the fewest."""
    layouts = {kind: _layout(vienna, dot_bracket, kind) for kind in kinds}
    if len(kinds) == 1:
        return layouts[kinds[0]]
    best, fewest = layouts[kinds[0]], np.inf
    for turn in TURNS:
        for kind in kinds:
            if turn and kind == vienna.PLOT_TYPE_PUZZLER:
                continue
            layout = _bend(layouts[kind], dot_bracket, turn)
            defects = _defects(layout)
            if defects == 0:
                return layout
            if defects < fewest:
                best, fewest = layout, defects
    return best


def _bend(coordinates: Coordinates, dot_bracket: str, turn: float) -> Coordinates:
    """The layout with its exterior loop bent by this angle, so that its branches spread.

    The bases between two joints of the exterior loop turn together: helices stay as they are.
    """
    depth, joints = 0, []
    for index, symbol in enumerate(dot_bracket):
        depth += (symbol == "(") - (symbol == ")")
        if depth == 0:
            joints.append(index)  # an unpaired base, or the last one of a branch
    if turn == 0 or len(joints) < 2:
        return coordinates
    angle = np.deg2rad(turn) / len(joints)
    rotation = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    bent: Coordinates = coordinates.copy()
    for joint in joints:
        bent[joint + 1 :] = bent[joint] + (bent[joint + 1 :] - bent[joint]) @ rotation.T
    return bent


def _layout(vienna: Any, dot_bracket: str, kind: int) -> Coordinates:
    vienna.cvar.rna_plot_type = kind
    points = vienna.get_xy_coordinates(dot_bracket)
    places = [(points.get(i).X, points.get(i).Y) for i in range(len(dot_bracket))]
    coordinates: Coordinates = np.array(places, dtype=np.float64)
    steps = np.linalg.norm(np.diff(coordinates, axis=0), axis=1)
    scale = BASE_DISTANCE / float(np.median(steps)) if len(steps) and np.median(steps) > 0 else 1.0
    scaled: Coordinates = (coordinates - coordinates[0]) * scale
    return scaled


def _defects(coordinates: Coordinates) -> float:
    """How many bases overlap others or helices they are not part of, and how long steps are."""
    between = np.linalg.norm(coordinates[:, None] - coordinates[None], axis=2)
    apart = np.triu(np.ones(between.shape, dtype=bool), 2)
    overlaps = int((apart & (between < MIN_DISTANCE)).sum())
    steps = np.linalg.norm(np.diff(coordinates, axis=0), axis=1)
    return 10 * overlaps + float(np.maximum(steps - STRETCHED, 0).sum())


def _count_loops(dot_bracket: str) -> int:
    """How many pairs close a loop other than a stacked pair."""
    partners = dict(parse_dot_bracket(dot_bracket).pairs)
    return sum(partners.get(left + 1) != right - 1 for left, right in partners.items())


def _is_simple(dot_bracket: str) -> bool:
    """Whether the structure is within the limits of RNApuzzler."""
    if any(len(loop) < MIN_HAIRPIN for loop in re.findall(r"(?<=\()\.*(?=\))", dot_bracket)):
        return False
    hairpins = deepest = 0
    helices = [[0, 0]]  # for each open pair: enclosed branches, and their depth in multiloops
    for symbol in dot_bracket:
        if symbol == "(":
            helices.append([0, 0])
        elif symbol == ")":
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
        message = "layouts need ViennaRNA: pip install '.[draw]' in a checkout"
        raise DependencyError(message) from None
