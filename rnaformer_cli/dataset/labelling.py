"""Make unlabelled sequences, and label sequences with ViennaRNA's thermodynamic model."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import random
import signal
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from rnaformer_cli.dataset.records import (
    UNLABELLED,
    LabelledRecord,
    read_dataset,
    record_from_json,
    record_to_json,
    write_dataset,
)
from rnaformer_cli.errors import DatasetError, DependencyError, OutputError
from rnaformer_cli.files import lock_file, os_error_text, read_bytes

RnafoldLabel = Literal["mfe", "probabilities"]
SequenceKind = Literal["whole", "window", "shuffled", "random", "mutant"]
KINDS: tuple[SequenceKind, ...] = get_args(SequenceKind)
SOURCE = "rnafold"
MIN_PROBABILITY = 0.02  # less probable pairs are omitted from a label, which halves the file
_CHUNK_RECORDS = 16  # records per task of a worker process
_BROKEN = "a worker process was killed; repeat the command to continue"
_NOT_A_PREFIX = "does not begin with the labels of these records; remove it to start again"


@dataclass(frozen=True, slots=True)
class Recipe:
    """The fractions of each kind of sequence, and their lengths."""

    whole: float = 0.35  # a whole sequence, or a window of a longer one
    window: float = 0.30  # a random window of a sequence
    shuffled: float = 0.25  # a random window with its bases shuffled
    random: float = 0.10  # random bases with a GC content of 30 to 70 %
    mutant: float = 0.0  # a whole sequence of any length with one base replaced
    # Bases; the limit on the length of a sequence is drawn from these at random.
    max_lengths: tuple[int, ...] = (100, 140, 200, 200, 260)
    min_length: int = 30

    def only(self, kinds: Collection[SequenceKind]) -> Recipe:
        """The recipe with these kinds only, in the same proportions.

        Mutants, of which the default recipe has none, get the fraction 0.5.
        """
        changed: Any = {kind: 0.0 for kind in KINDS if kind not in kinds}
        if "mutant" in kinds:
            changed["mutant"] = self.mutant or 0.5
        return replace(self, **changed)


def make_sequences(
    records: Sequence[LabelledRecord], count: int, seed: int, recipe: Recipe | None = None
) -> Iterator[LabelledRecord]:
    """Yield unlabelled sequences made from those of a data set; clusters have equal weight.

    Raises:
        DatasetError: no record to draw from.
    """
    recipe = recipe or Recipe()
    if not records:
        raise DatasetError("no record to draw sequences from")
    clusters: dict[int, list[str]] = {}
    for number, record in enumerate(records):
        key = -1 - number if record.cluster is None else record.cluster
        clusters.setdefault(key, []).append(record.sequence)
    generator = random.Random(seed)
    keys = sorted(clusters)
    kinds = {"whole": recipe.whole, "window": recipe.window}
    kinds |= {"shuffled": recipe.shuffled, "random": recipe.random, "mutant": recipe.mutant}
    for number in range(count):
        [kind] = generator.choices(list(kinds), list(kinds.values()))
        origin = generator.choice(clusters[generator.choice(keys)])
        sequence = _make(kind, origin, recipe, generator)
        yield LabelledRecord(f"{kind}_{seed}_{number}", sequence, (), UNLABELLED)


def _make(kind: str, origin: str, recipe: Recipe, generator: random.Random) -> str:
    limit = generator.choice(recipe.max_lengths)
    sequence = _fill(origin, generator)
    if kind == "whole" and len(sequence) <= limit:
        return sequence
    if kind == "mutant":
        position = generator.randrange(len(sequence))
        other = generator.choice("ACGU".replace(sequence[position], ""))
        return f"{sequence[:position]}{other}{sequence[position + 1 :]}"
    size = generator.randint(recipe.min_length, limit)
    if len(sequence) > size:
        start = generator.randrange(len(sequence) - size + 1)
        sequence = sequence[start : start + size]
    if kind == "shuffled":
        return "".join(generator.sample(sequence, len(sequence)))
    if kind == "random":
        gc_half = generator.uniform(0.3, 0.7) / 2
        weights = [0.5 - gc_half, gc_half, gc_half, 0.5 - gc_half]
        return "".join(generator.choices("ACGU", weights, k=len(sequence)))
    return sequence


def _fill(sequence: str, generator: random.Random) -> str:
    """The sequence with a random base for each N.

    One base is drawn even without an N: the same seed gives the same sequences as before.
    """
    first, *rest = sequence.split("N")
    bases = [generator.choice("ACGU")]
    bases += [generator.choice("ACGU") for _ in rest[1:]]
    return first + "".join(base + part for base, part in zip(bases, rest, strict=False))


def label_file(
    source: str | Path,
    target: str | Path,
    label: RnafoldLabel,
    jobs: int = 1,
    on_record: Callable[[int], None] = lambda _: None,
) -> int:
    """Write a data set with labels for the sequences of another; return the number of records.

    Labels are first appended to `<target>.part`. A stopped run continues from this file.
    `on_record` is called with the number of finished records.

    Raises:
        DependencyError: ViennaRNA is not installed.
        InputError, DatasetError: a source that cannot be read, or a `.part` file of other labels.
        OutputError: a target that cannot be written, or into which another run writes.
    """
    import_vienna()
    records = list(read_dataset(source))
    part = Path(f"{target}.part")
    try:
        with part.open("a", encoding="utf-8", newline="\n") as file:
            if not lock_file(file, part):
                message = "is being written by another run; wait until it ends"
                raise OutputError(message, path=target)
            done = _count_done(part, records, label)
            on_record(done)
            for number, record in enumerate(label_records(records[done:], label, jobs), done + 1):
                file.write(record_to_json(record))
                file.flush()
                on_record(number)
            count = write_dataset(target, read_dataset(part))
            part.unlink()  # inside the block, in which no other run can begin to write it
    except OSError as error:
        raise OutputError(os_error_text(error), path=part) from None
    return count


def label_records(
    records: Iterable[LabelledRecord], label: RnafoldLabel, jobs: int = 1
) -> Iterator[LabelledRecord]:
    """Yield the records with their labels, in order; `jobs` is the number of processes.

    Raises:
        DependencyError: ViennaRNA is not installed.
        DatasetError: a process was killed.
    """
    import_vienna()
    label_one = label_mfe if label == "mfe" else label_probabilities
    if jobs == 1:
        yield from map(label_one, records)
        return
    # Not multiprocessing.Pool, which waits forever for the records of a process that was killed.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, _ignore_interrupts)
    try:
        yield from pool.map(label_one, records, chunksize=_CHUNK_RECORDS)
    except BrokenProcessPool:
        raise DatasetError(_BROKEN) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent process, which ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def label_mfe(record: LabelledRecord) -> LabelledRecord:
    """The record with the pairs of its minimum free energy structure."""
    vienna = import_vienna()
    dot_bracket, _ = vienna.fold_compound(record.sequence).mfe()
    return replace(record, pairs=_pairs(vienna, dot_bracket), probabilities=None, source=SOURCE)


def label_probabilities(record: LabelledRecord) -> LabelledRecord:
    """The record with its minimum free energy structure and its base-pair probabilities."""
    vienna = import_vienna()
    compound = vienna.fold_compound(record.sequence)
    dot_bracket, energy = compound.mfe()
    compound.exp_params_rescale(energy)
    compound.pf()
    rows = compound.bpp()  # 1-based, upper triangle
    probabilities = tuple(
        (left - 1, right - 1, round(float(value), 3))
        for left in range(1, len(record) + 1)
        for right, value in enumerate(rows[left])
        if value >= MIN_PROBABILITY
    )
    pairs = _pairs(vienna, dot_bracket)
    return replace(record, pairs=pairs, probabilities=probabilities, source=SOURCE)


def import_vienna() -> Any:
    """The Python module of ViennaRNA.

    Raises:
        DependencyError: ViennaRNA is not installed.
    """
    try:
        return importlib.import_module("RNA")
    except ImportError:
        message = "labels need ViennaRNA: pip install '.[label]' in a checkout"
        raise DependencyError(message) from None


def _pairs(vienna: Any, dot_bracket: str) -> tuple[tuple[int, int], ...]:
    table = vienna.ptable(dot_bracket)  # 1-based; 0: unpaired
    return tuple(
        (left - 1, table[left] - 1) for left in range(1, len(dot_bracket) + 1) if table[left] > left
    )


def _count_done(part: Path, records: Sequence[LabelledRecord], label: RnafoldLabel) -> int:
    """The number of records in an unfinished file; an incomplete last line is removed.

    Raises:
        DatasetError: the file does not hold the first of these records, with this kind of label.
    """
    data = read_bytes(part)
    complete = data[: data.rfind(b"\n") + 1]
    try:
        labelled = [record_from_json(line) for line in complete.decode().split("\n")[:-1]]
    except (DatasetError, UnicodeDecodeError):
        raise DatasetError(_NOT_A_PREFIX, path=part) from None
    done = [(record.id, record.sequence, record.probabilities is not None) for record in labelled]
    has_probabilities = label == "probabilities"
    first = records[: len(labelled)]
    if done != [(record.id, record.sequence, has_probabilities) for record in first]:
        raise DatasetError(_NOT_A_PREFIX, path=part)
    if len(complete) < len(data):
        os.truncate(part, len(complete))
    return len(labelled)
