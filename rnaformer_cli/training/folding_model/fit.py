"""Fit the scores of the folding model by maximum conditional likelihood of labelled structures.

The log-probability of a structure is its score minus the logarithm of the partition function. The
gradient of the score is the loop counts of the structure; the gradient of the log partition
function is the expected loop counts (Do, Woods, Batzoglou 2006).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from rnaformer_cli.dataset.reactivities import ReactivityProfile
from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import TrainingError, WeightsError
from rnaformer_cli.files import read_bytes, write_atomically
from rnaformer_cli.folding.model import scaled_inside
from rnaformer_cli.folding.partition import outside
from rnaformer_cli.folding.scores import TABLE_SHAPES, score_loops
from rnaformer_cli.folding.structure_loops import keep_foldable, score_structure
from rnaformer_cli.model.checkpoint import check_tensors, tensor_shapes
from rnaformer_cli.prediction.batching import to_tensors
from rnaformer_cli.structure.structure import BasePair
from rnaformer_cli.training.batches.config import BatchConfig
from rnaformer_cli.training.batches.sampling import BatchStream, StreamPosition
from rnaformer_cli.training.folding_model.expected_loops import expected_loop_counts
from rnaformer_cli.training.folding_model.reactivity_likelihood import (
    Densities,
    ProfileStream,
    backward_reactivities,
)

INITIAL_SCORES = {  # 0 for all other tables
    "stack": 1.5,
    "hairpin_length": -3.0,
    "bulge_length": -3.0,
    "inner_length": -2.0,
    "edge_length": -3.0,
    "single_mismatch": -0.5,
    "multi": -2.0,
}
_RATE_FACTORS = {  # of the learning rate; small for scores that many bases share
    "unpaired_hairpin": 0.3,
    "unpaired_interior": 0.3,
    "unpaired_multi": 0.1,
    "unpaired_exterior": 0.03,
}
_RIDGE = 3e-5  # weight of the squared distance from INITIAL_SCORES, relative to the loss per base
_BETAS = (0.9, 0.99)  # of Adam
_WARMUP = 20  # steps

Scores = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class FoldingTrainingConfig:
    """Settings of `fit_scores`. The problem is convex, so the result depends little on them."""

    minutes: float = 8.0
    steps: int = 0  # if above 0, replaces minutes
    max_length: int = 200  # bases of the longest record
    max_cells: int = 400_000  # B·L·L of a batch
    computed_fraction: float = 0.0  # fraction of the records that have computed labels
    learning_rate: float = 0.05  # of Adam, peak value
    seed: int = 0
    reactivity_weight: float = 0.3  # of the loss per reactivity, relative to the loss per base
    reactivity_cells: int = 200_000  # B·L·L of a batch of profiles, which takes two inside passes


@dataclass(frozen=True, slots=True)
class StepReport:
    """Progress after a step."""

    step: int
    records: int
    fraction_done: float  # from 0 to 1
    loss: float  # -log(probability of the structures) per base, of the last batch
    reactivity_loss: float | None = None  # -log(likelihood ratio) per reactivity, of the last batch


def fit_scores(
    records: Sequence[LabelledRecord],
    config: FoldingTrainingConfig,
    report: Callable[[StepReport], None] = lambda _: None,
    *,
    profiles: Sequence[ReactivityProfile] = (),
    start: Mapping[str, Tensor] | None = None,
) -> Scores:
    """The scores that maximise the likelihood of the records' structures and of reactivities.

    Pairs that the model cannot represent (non-canonical, crossing) are ignored. Training
    begins with the scores `start`, by default with `initial_scores`.

    Raises:
        DatasetError: no record, or no profile, of at most `max_length` bases.
        TrainingError: the loss is not finite.
    """
    short = [record for record in records if len(record) <= config.max_length]
    batches = BatchConfig(
        max_cells=config.max_cells,
        lengths=(config.max_length,),
        computed_fraction=config.computed_fraction,
    )
    stream, position = BatchStream(short, batches, config.seed), StreamPosition()
    reactivity_term = _ReactivityLoss(profiles, config) if profiles else None
    scores = initial_scores() if start is None else _clone_scores(start)
    optimiser = torch.optim.Adam(
        [
            {"params": tensor, "factor": _RATE_FACTORS.get(name, 1.0)}
            for name, tensor in scores.items()
        ],
        config.learning_rate,
        _BETAS,
    )
    started, step, n_records, fraction_done = time.perf_counter(), 0, 0, 0.0
    while fraction_done < 1.0:
        batch, position = next(stream.batches(position, fraction_done))
        pairs = [keep_foldable(record.sequence, record.pairs) for record in batch]
        loss = backward_structures(scores, [record.sequence for record in batch], pairs)
        reactivity_loss = reactivity_term.backward(scores, step) if reactivity_term else 0.0
        if not math.isfinite(loss + reactivity_loss):
            raise TrainingError(f"step {step + 1}: the loss is {loss}")
        for group in optimiser.param_groups:
            warmup = min(1.0, (step + 1) / _WARMUP)
            schedule = warmup * (0.01 + 0.5 * (1.0 + math.cos(math.pi * fraction_done)))
            group["lr"] = config.learning_rate * group["factor"] * schedule
        optimiser.step()
        optimiser.zero_grad()
        step, n_records = step + 1, n_records + len(batch)
        spent = (time.perf_counter() - started) / (60.0 * config.minutes)
        fraction_done = min(step / config.steps if config.steps else spent, 1.0)
        shown = reactivity_loss if reactivity_term else None
        report(StepReport(step, n_records, fraction_done, loss, shown))
    return {name: tensor.detach() for name, tensor in scores.items()}


class _ReactivityLoss:
    """The loss of reactivity profiles, with its own batches and densities."""

    def __init__(
        self, profiles: Sequence[ReactivityProfile], config: FoldingTrainingConfig
    ) -> None:
        self._stream = ProfileStream(
            profiles, config.max_length, config.reactivity_cells, config.seed
        )
        self._densities = Densities()
        self._weight = config.reactivity_weight

    def backward(self, scores: Scores, step: int) -> float:
        """Add the gradients of the batch of a step to the scores, and return its loss per value."""
        batch = self._stream.batch(step)
        return backward_reactivities(scores, batch, self._densities, self._weight)


def _clone_scores(scores: Mapping[str, Tensor]) -> Scores:
    return {name: scores[name].detach().clone().requires_grad_() for name in TABLE_SHAPES}


def initial_scores() -> Scores:
    """The scores before training: positive for stacked pairs, negative for loops."""
    return {
        name: torch.full(shape, INITIAL_SCORES.get(name, 0.0), requires_grad=True)
        for name, shape in TABLE_SHAPES.items()
    }


def backward_structures(
    scores: Scores, sequences: Sequence[str], structures: Sequence[Sequence[BasePair]]
) -> float:
    """Add the gradients of the loss per base and of the ridge penalty to the scores.

    Returns the loss per base, -log(probability of the structures), without the penalty.
    """
    bases, _ = to_tensors(sequences)
    loop_scores = score_loops(bases, scores)
    with torch.no_grad():
        weights, sums = scaled_inside(loop_scores)
        expected_counts = expected_loop_counts(weights, sums, outside(weights, sums))
    n_bases = sum(map(len, sequences))
    labelled = torch.stack(
        [score_structure(loop_scores, row, pairs) for row, pairs in enumerate(structures)]
    ).sum()
    expected = labelled.new_zeros(())  # has the gradient of the log partition function
    for name, counts in expected_counts.items():
        table = getattr(loop_scores, name)
        expected = expected + (table.masked_fill(table.isinf(), 0.0) * counts.to(table)).sum()
    ridge = torch.stack(
        [(tensor - INITIAL_SCORES.get(name, 0.0)).square().sum() for name, tensor in scores.items()]
    ).sum()
    ((expected - labelled) / n_bases + _RIDGE * ridge).backward()  # type: ignore[no-untyped-call]
    log_z = float(sums.total.log().sum()) + sums.scale * bases.numel()
    return (log_z - float(labelled.detach())) / n_bases


def write_scores(path: str | Path, scores: Mapping[str, Tensor]) -> None:
    """Write scores as a safetensors file.

    Raises:
        OutputError: the file cannot be written.
    """
    with write_atomically(path, binary=True) as file:
        file.write(save(dict(scores)))  # type: ignore[arg-type]  # opened as binary


def read_scores(path: str | Path) -> Scores:
    """Read a file that `write_scores` wrote.

    Raises:
        InputError: a file that cannot be read.
        WeightsError: not a safetensors file, or one with other tensors.
    """
    data = read_bytes(path)
    try:
        scores = load(data)
    except (SafetensorError, ValueError):
        raise WeightsError("a damaged or incomplete safetensors file", path=path) from None
    try:
        check_tensors(dict(TABLE_SHAPES), tensor_shapes(scores))
    except WeightsError as error:
        raise error.at(path) from None
    return scores
