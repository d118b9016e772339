"""Learning the scores of the folding model: labelled structures are to be likely ones.

The logarithm of a structure's probability is its score less the logarithm of the sum over all
structures. The gradient of the first is which loops the structure has, that of the second which
loops are to be expected (Do, Woods, Batzoglou 2006).
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
from rnaformer_cli.folding.scores import TABLE_SHAPES, loop_scores
from rnaformer_cli.model.checkpoint import check_tensors, shapes
from rnaformer_cli.prediction.batching import to_tensors
from rnaformer_cli.structure.structure import BasePair
from rnaformer_cli.training.batches.config import BatchConfig
from rnaformer_cli.training.batches.sampling import BatchStream, Position
from rnaformer_cli.training.folding_model.expected_loops import expected
from rnaformer_cli.training.folding_model.reactivity_likelihood import (
    Densities,
    ProfileStream,
    backward_reactivities,
)
from rnaformer_cli.training.folding_model.structure_loops import keep_foldable, score

INITIAL_SCORES = {  # what is not named is 0
    "stack": 1.5,
    "hairpin_length": -3.0,
    "bulge_length": -3.0,
    "inner_length": -2.0,
    "edge_length": -3.0,
    "single_mismatch": -0.5,
    "multi": -2.0,
}
_RATE_FACTORS = {  # parts of the rate for scores that many bases of a structure add up
    "unpaired_hairpin": 0.3,
    "unpaired_interior": 0.3,
    "unpaired_multi": 0.1,
    "unpaired_exterior": 0.03,
}
_RIDGE = 3e-5  # on the squared distance from the first guess, added to the loss per base
_BETAS = (0.9, 0.99)
_WARMUP = 20  # steps

Scores = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Plan:
    """How the scores are learned; the problem is convex, so that little depends on it."""

    minutes: float = 8.0
    steps: int = 0  # if above 0, in place of minutes
    max_length: int = 200  # longest record
    max_cells: int = 400_000  # B·L·L of a batch
    computed_fraction: float = 0.0  # of the records: those whose label a program made
    rate: float = 0.05  # of Adam, at its highest
    seed: int = 0
    reactivity_weight: float = 0.3  # of the loss per reactivity, added to the loss per base
    reactivity_cells: int = 200_000  # B·L·L of a batch of profiles, of which two sums are made


@dataclass(frozen=True, slots=True)
class StepReport:
    """How far it is."""

    step: int
    records: int
    share: float  # of the whole, from 0 to 1
    loss: float  # -log(probability of the structures) per base, of the last batch
    reactivity_loss: float | None = None  # -log(likelihood ratio) per reactivity, of the last batch


def learn(
    records: Sequence[LabelledRecord],
    plan: Plan,
    report: Callable[[StepReport], None] = lambda _: None,
    *,
    profiles: Sequence[ReactivityProfile] = (),
    start: Mapping[str, Tensor] | None = None,
) -> Scores:
    """Scores that make the structures of the records likely, and the reactivities of profiles.

    Of each structure the model's part counts: canonical pairs without pseudoknots.

    Raises:
        DatasetError: no record that is short enough.
        TrainingError: the loss is not finite.
    """
    short = [record for record in records if len(record) <= plan.max_length]
    chosen = BatchConfig(
        max_cells=plan.max_cells,
        lengths=(plan.max_length,),
        computed_fraction=plan.computed_fraction,
    )
    stream, position = BatchStream(short, chosen, plan.seed), Position()
    probed = _ReactivityLoss(profiles, plan) if profiles else None
    scores = initial_scores() if start is None else _clone_scores(start)
    optimiser = torch.optim.Adam(
        [
            {"params": tensor, "part": _RATE_FACTORS.get(name, 1.0)}
            for name, tensor in scores.items()
        ],
        plan.rate,
        _BETAS,
    )
    started, step, seen, share = time.perf_counter(), 0, 0, 0.0
    while share < 1.0:
        batch, position = next(stream.batches(position, share))
        pairs = [keep_foldable(record.sequence, record.pairs) for record in batch]
        loss = backward(scores, [record.sequence for record in batch], pairs)
        reactivity_loss = probed.backward(scores, step) if probed else 0.0
        if not math.isfinite(loss + reactivity_loss):
            raise TrainingError(f"step {step + 1}: the loss is {loss}")
        for group in optimiser.param_groups:
            warm = min(1.0, (step + 1) / _WARMUP)
            now = warm * (0.01 + 0.5 * (1.0 + math.cos(math.pi * share)))
            group["lr"] = plan.rate * group["part"] * now
        optimiser.step()
        optimiser.zero_grad()
        step, seen = step + 1, seen + len(batch)
        spent = (time.perf_counter() - started) / (60.0 * plan.minutes)
        share = min(step / plan.steps if plan.steps else spent, 1.0)
        report(StepReport(step, seen, share, loss, reactivity_loss if probed else None))
    return {name: tensor.detach() for name, tensor in scores.items()}


class _ReactivityLoss:
    """The part of learning that sees reactivities."""

    def __init__(self, profiles: Sequence[ReactivityProfile], plan: Plan) -> None:
        self._stream = ProfileStream(profiles, plan.max_length, plan.reactivity_cells, plan.seed)
        self._densities = Densities()
        self._weight = plan.reactivity_weight

    def backward(self, scores: Scores, step: int) -> float:
        """Add the gradients of the batch of a step; its loss per value."""
        batch = self._stream.batch(step)
        return backward_reactivities(scores, batch, self._densities, self._weight)


def _clone_scores(scores: Mapping[str, Tensor]) -> Scores:
    return {name: scores[name].detach().clone().requires_grad_() for name in TABLE_SHAPES}


def initial_scores() -> Scores:
    """Scores to begin with: stacked pairs are good, loops are not."""
    return {
        name: torch.full(shape, INITIAL_SCORES.get(name, 0.0), requires_grad=True)
        for name, shape in TABLE_SHAPES.items()
    }


def backward(
    scores: Scores, sequences: Sequence[str], structures: Sequence[Sequence[BasePair]]
) -> float:
    """Add the gradients of the loss per base to the scores; the loss."""
    bases, _ = to_tensors(sequences)
    found = loop_scores(bases, scores)
    with torch.no_grad():
        weights, sums = scaled_inside(found)
        loops = expected(weights, sums, outside(weights, sums))
    size = sum(map(len, sequences))
    known = torch.stack([score(found, row, pairs) for row, pairs in enumerate(structures)]).sum()
    likely = known.new_zeros(())
    for name, counts in loops.items():
        factor = getattr(found, name)
        likely = likely + (factor.masked_fill(factor.isinf(), 0.0) * counts.to(factor)).sum()
    pull = torch.stack(
        [(tensor - INITIAL_SCORES.get(name, 0.0)).square().sum() for name, tensor in scores.items()]
    ).sum()
    ((likely - known) / size + _RIDGE * pull).backward()  # type: ignore[no-untyped-call]
    total = float(sums.total.log().sum()) + sums.scale * bases.numel()
    return (total - float(known.detach())) / size


def write_scores(path: str | Path, scores: Mapping[str, Tensor]) -> None:
    """Write scores as a safetensors file.

    Raises:
        OutputError: the file cannot be written.
    """
    with write_atomically(path, binary=True) as file:
        file.write(save(dict(scores)))  # type: ignore[arg-type]  # opened as binary


def read_scores(path: str | Path) -> Scores:
    """Read what write_scores wrote.

    Raises:
        InputError: a file that cannot be read.
        WeightsError: no safetensors file, or other tensors in it.
    """
    data = read_bytes(path)
    try:
        scores = load(data)
    except (SafetensorError, ValueError):
        raise WeightsError("not a whole safetensors file", path=path) from None
    try:
        check_tensors(dict(TABLE_SHAPES), shapes(scores))
    except WeightsError as error:
        raise error.at(path) from None
    return scores
