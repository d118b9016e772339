"""Positions of the numbers next to the bases of a drawing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.drawing.layout import Coordinates

Place = NDArray[np.float64]

_ANGLES = np.deg2rad([0, 20, -20, 40, -40, 60, -60, 90, -90, 120, -120, 150, -150, 180])
_DISTANCES = (1.35, 1.8, 2.4)  # of a label from its base, in bases
_CLEARANCE = 0.85  # of a label from anything, in bases
_LETTER = 0.3  # width of a digit, in bases


@dataclass(frozen=True, slots=True)
class Label:
    """The place of a text, and the line from its base."""

    text: Place
    start: Place
    end: Place


def place_labels(
    coordinates: Coordinates, obstacles: Coordinates, texts: Mapping[int, str]
) -> tuple[dict[int, Label], Coordinates]:
    """The position of each text next to its base, and all obstacles with these texts.

    The first place with enough distance from obstacles and other texts is taken, starting in the
    direction perpendicular to the backbone; if there is none, the place with the most distance.
    """
    labels: dict[int, Label] = {}
    taken = obstacles
    for base, text in texts.items():
        here = coordinates[base]
        out = _outwards(coordinates, base)
        others = taken[np.linalg.norm(taken - here, axis=1) > 1e-6]
        others = others[np.linalg.norm(others - here, axis=1) < 2 * _DISTANCES[-1]]
        half = np.array([0.5 * _LETTER * (len(text) - 1), 0.0])
        best, best_space = None, -np.inf
        for distance in _DISTANCES:
            for angle in _ANGLES:
                direction = _turn(out, float(angle))
                middle = here + direction * (distance + abs(direction[0]) * half[0])
                parts = np.stack([middle - half, middle, middle + half, here + 0.8 * direction])
                space = _space(parts[:3], others)
                if len(others):
                    space = min(space, _space(parts[3:], others) + 0.35)
                if space > best_space + 1e-6:
                    end = here + (distance - 0.45) * direction
                    best, best_space = Label(middle, here + 0.42 * direction, end), space
                if best_space >= _CLEARANCE:
                    break
            if best_space >= _CLEARANCE:
                break
        assert best is not None
        labels[base] = best
        taken = np.concatenate([taken, np.stack([best.text - half, best.text, best.text + half])])
    return labels, taken


def _space(parts: Coordinates, others: Coordinates) -> float:
    """The smallest distance between two sets of points."""
    if not len(others):
        return np.inf
    return float(np.linalg.norm(parts[:, None] - others[None], axis=2).min())


def _turn(vector: Place, angle: float) -> Place:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([cos * vector[0] - sin * vector[1], sin * vector[0] + cos * vector[1]])


def _outwards(coordinates: Coordinates, base: int) -> Place:
    """The unit vector perpendicular to the backbone, towards more space; along it at an end."""
    last = len(coordinates) - 1
    if last == 0:
        return np.array([0.0, 1.0])
    along: Place = coordinates[min(base + 1, last)] - coordinates[max(base - 1, 0)]
    along /= max(float(np.linalg.norm(along)), 1e-9)
    if base in (0, last):
        return -along if base == 0 else along
    across: Place = np.array([-along[1], along[0]])
    here = coordinates[base]
    others = np.delete(coordinates, base, axis=0)
    sides = [
        float(np.linalg.norm(others - (here + side), axis=1).min()) for side in (across, -across)
    ]
    if abs(sides[0] - sides[1]) < 0.1:  # a loop: away from its middle
        inside = coordinates[max(base - 1, 0)] + coordinates[min(base + 1, last)] - 2 * here
        return across if float(across @ inside) <= 0 else -across
    return across if sides[0] > sides[1] else -across
