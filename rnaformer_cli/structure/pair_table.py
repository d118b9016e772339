"""TSV of base-pair probabilities: `id  i  j  score`, 1-based, i < j; j is 0 for unpaired bases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rnaformer_cli.structure.structure import BasePair

HEADER = "id\ti\tj\tscore\n"


def format_pair_rows(name: str, scores: Mapping[BasePair, float]) -> str:
    """Format one row per pair, from 5' to 3'."""
    rows = sorted(scores.items())
    return "".join(
        f"{name}\t{left + 1}\t{right + 1}\t{score:.4f}\n" for (left, right), score in rows
    )


def format_unpaired_rows(name: str, unpaired: Sequence[float]) -> str:
    """Format one row per base with its probability of being unpaired; j is 0, as in BPSEQ."""
    return "".join(f"{name}\t{base}\t0\t{p:.4f}\n" for base, p in enumerate(unpaired, start=1))
