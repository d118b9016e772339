"""Labels from the folding model, for sequences that belong to no family.

They train a network to agree with the folding model on unfamiliar RNAs. Unlike the output of a
folding program they count as curated (their source is not in COMPUTED_SOURCES), because they are
the best available labels of such sequences.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor

from rnaformer_cli.dataset.records import PROBABILITIES_ONLY, LabelledRecord
from rnaformer_cli.folding.model import FoldingModel
from rnaformer_cli.folding.pairs import NO_LETTER
from rnaformer_cli.prediction.batching import make_batches, to_tensors

_MIN_PROBABILITY = 0.01  # less probable pairs are omitted from a label
_CHUNK_RECORDS = 1024  # records that are sorted by length at a time
_MAX_CELLS = 150_000  # matrix cells of a batch


def label_by_folding(
    records: Iterable[LabelledRecord], folding: FoldingModel
) -> Iterator[LabelledRecord]:
    """Yield the records with base-pair probabilities of a folding model as labels, in order."""
    remaining = iter(records)
    while chunk := list(islice(remaining, _CHUNK_RECORDS)):
        labelled: dict[int, LabelledRecord] = {}
        for batch in make_batches([len(record) for record in chunk], _MAX_CELLS):
            bases, is_base = to_tensors([chunk[index].sequence for index in batch])
            all_probabilities = folding(bases.masked_fill(~is_base, NO_LETTER))
            for index, probabilities in zip(batch, all_probabilities, strict=True):
                labelled[index] = _label(chunk[index], probabilities)
        yield from (labelled[index] for index in range(len(chunk)))


def _label(record: LabelledRecord, probabilities: Tensor) -> LabelledRecord:
    upper = torch.triu(probabilities[: len(record), : len(record)], diagonal=1)
    left, right = torch.nonzero(upper >= _MIN_PROBABILITY, as_tuple=True)
    values = [round(value, 3) for value in upper[left, right].tolist()]
    rows = tuple(zip(left.tolist(), right.tolist(), values, strict=True))
    return replace(record, pairs=(), probabilities=rows, source=PROBABILITIES_ONLY)
