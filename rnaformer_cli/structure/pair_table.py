"""TSV of base-pair probabilities: `id  i  j  score`, 1-based, i < j."""

from __future__ import annotations

from collections.abc import Mapping

from rnaformer_cli.structure.structure import BasePair

HEADER = "id\ti\tj\tscore\n"


def format_pair_rows(name: str, scores: Mapping[BasePair, float]) -> str:
    """Format one row per pair, from 5' to 3'."""
    rows = sorted(scores.items())
    return "".join(
        f"{name}\t{left + 1}\t{right + 1}\t{score:.4f}\n" for (left, right), score in rows
    )
