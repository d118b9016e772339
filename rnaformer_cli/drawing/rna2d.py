"""RNA 2D JSON: a structure with the coordinates of its bases, for editors of drawings.

The schema is that of https://github.com/LDWLab/RNA2D-data-schema, which R2DT writes and RNAcanvas,
XRNA and RNAvigate read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from rnaformer_cli.drawing.canvas import check_size
from rnaformer_cli.drawing.layout import Coordinates, layout_plane
from rnaformer_cli.files import write_text
from rnaformer_cli.structure.structure import BasePair, StructureRecord, is_canonical

UNIT = 10.0  # distance of neighbouring bases in a helix, near that of R2DT


def format_rna2d(record: StructureRecord) -> str:
    """Format one structure with its layout in the plane; y points down.

    As in the files of R2DT, the labels of the ends are residues 0 and L + 1, so that the indices of
    the bases count from 1 and are also their places in the list.

    Raises:
        DependencyError: ViennaRNA is not installed.
        StructureError: a picture cannot hold so many bases or pairs.
    """
    check_size(record, record.structure)
    coordinates, _ = layout_plane(record.structure)
    points = np.concatenate([_end(coordinates), coordinates, _end(coordinates[::-1])])
    points = (points * (UNIT, -UNIT)).round(2) + 0.0  # no -0.0
    names = ["5'", *record.sequence, "3'"]
    residues = [
        {"residueIndex": index, "residueName": name, "x": x, "y": y, "classes": []}
        for index, (name, (x, y)) in enumerate(zip(names, points.tolist(), strict=True))
    ]
    pairs = [_base_pair(record.sequence, pair) for pair in record.structure.sorted_pairs]
    molecule = {"name": record.id, "sequence": residues, "basePairs": pairs, "labels": []}
    complexes = [{"name": record.id, "rnaMolecules": [molecule]}]
    return json.dumps({"rnaComplexes": complexes, "classes": []}, ensure_ascii=False) + "\n"


def save_rna2d(record: StructureRecord, path: str | Path, follow: bool = True) -> None:
    """Write an RNA 2D JSON file; `follow` as in files.write_atomically.

    Raises:
        DependencyError, StructureError: as in `format_rna2d`.
        OutputError: the file cannot be written.
    """
    write_text(path, format_rna2d(record), follow)


def _end(coordinates: Coordinates) -> Coordinates:
    """The position (1, 2) of the label of an end: the backbone continued beyond the first base."""
    along = coordinates[0] - coordinates[1] if len(coordinates) > 1 else np.array([0.0, 1.0])
    return coordinates[:1] + along / max(float(np.linalg.norm(along)), 1e-9)


def _base_pair(sequence: str, pair: BasePair) -> dict[str, Any]:
    left, right = pair
    letters = {sequence[left], sequence[right]}
    kind = "mismatch" if letters <= set("ACGU") else None
    if is_canonical(sequence, pair):
        kind = "wobble" if letters == {"G", "U"} else "canonical"
    indices = {"residueIndex1": left + 1, "residueIndex2": right + 1}
    return {**indices, "basePairType": kind, "classes": []}
