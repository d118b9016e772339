"""Labels of our own folding model, for sequences that belong to no family.

A network learns from them to say of an RNA that it does not recognise what the folding model
says. Unlike a program's output they count as curated (their source is none of
COMPUTED_SOURCES): they show what the answer should be where nothing better is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.folding.model import FoldingModel
from rnaformer_cli.folding.pairs import NO_LETTER
from rnaformer_cli.prediction.batching import make_batches, to_tensors

SOURCE = "folding"
_LEAST = 0.01  # probability below which a pair is left out of a label
_AT_ONCE = 1024  # records that are sorted by length together
_MAX_CELLS = 150_000  # of a batch


def label_by_folding(
    records: Iterable[LabelledRecord], folding: FoldingModel
) -> Iterator[LabelledRecord]:
    """Yield the records with the pair probabilities of a folding model as labels, in order."""
    rest = iter(records)
    while chunk := list(islice(rest, _AT_ONCE)):
        labelled: dict[int, LabelledRecord] = {}
        for batch in make_batches([len(record) for record in chunk], _MAX_CELLS):
            bases, is_base = to_tensors([chunk[place].sequence for place in batch])
            found = folding(bases.masked_fill(~is_base, NO_LETTER))
            for place, probabilities in zip(batch, found, strict=True):
                labelled[place] = _label(chunk[place], probabilities)
        yield from (labelled[place] for place in range(len(chunk)))


def _label(record: LabelledRecord, probabilities: Tensor) -> LabelledRecord:
    upper = torch.triu(probabilities[: len(record), : len(record)], diagonal=1)
    left, right = torch.nonzero(upper >= _LEAST, as_tuple=True)
    values = [round(value, 3) for value in upper[left, right].tolist()]
    rows = tuple(zip(left.tolist(), right.tolist(), values, strict=True))
    return replace(record, pairs=(), probabilities=rows, source=SOURCE)
