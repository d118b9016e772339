"""The losses of the last steps, read without waiting for a GPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rnaformer_cli.dataset.records import LabelledRecord

_STEPS_IN_FLIGHT = 2  # on a GPU: the host prepares the next step while the GPU computes


@dataclass(frozen=True, slots=True)
class FinishedStep:
    """A step that the device has computed."""

    number: int
    loss: float  # per base
    gradient_norm: float
    records: Sequence[LabelledRecord]


class StepQueue:
    """Returns each step when the device has computed it: at once, or on a GPU two steps later.

    The host waits for the step before the last. It is thus never many steps in advance, and the
    duration of a step can be measured.
    """

    def __init__(self, device: torch.device) -> None:
        self._is_cuda = device.type == "cuda"
        self._lag = _STEPS_IN_FLIGHT if self._is_cuda else 0
        self._queue: deque[tuple[int, Tensor, Sequence[LabelledRecord], torch.cuda.Event | None]]
        self._queue = deque()

    def add(
        self, number: int, loss: Tensor, norm: Tensor, records: Sequence[LabelledRecord]
    ) -> list[FinishedStep]:
        """Add a step with its loss and gradient norm (scalars); the steps that are finished."""
        values = torch.stack([loss.detach().float(), norm.detach().float()])
        event = None
        if self._is_cuda:
            pinned = torch.empty(2, pin_memory=True)
            values = pinned.copy_(values, non_blocking=True)
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record()
        self._queue.append((number, values, records, event))
        return self._take(self._lag)

    def flush(self) -> list[FinishedStep]:
        """Wait for all steps."""
        return self._take(0)

    def _take(self, remaining: int) -> list[FinishedStep]:
        finished = []
        while len(self._queue) > remaining:
            number, values, records, event = self._queue.popleft()
            if event is not None:
                event.synchronize()
            loss, norm = values.tolist()
            finished.append(FinishedStep(number, loss, norm, records))
        return finished
