"""Sequences to label, and labels from ViennaRNA's thermodynamic model."""

from __future__ import annotations

import importlib
import multiprocessing
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from rnaformer_cli.dataset.records import (
    LabelledRecord,
    read_dataset,
    record_from_json,
    record_to_json,
    write_dataset,
)
from rnaformer_cli.errors import DatasetError, DependencyError, OutputError
from rnaformer_cli.files import read_bytes, reason

Label = Literal["mfe", "probabilities"]
Kind = Literal["whole", "window", "shuffled", "random"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SOURCE = "rnafold"
MIN_PROBABILITY = 0.02  # pairs below are left out of a label: half of the file, little of the sum
_CHUNK = 16  # records a worker takes at once
_NOT_A_PREFIX = "is not the beginning of these labels; remove it to begin anew"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What sequences to make; the shares say how often each kind is drawn."""

    whole: float = 0.35  # a sequence as it is, if short enough
    window: float = 0.30  # a random part of one
    shuffled: float = 0.25  # a random part with its letters in random order
    random: float = 0.10  # random letters at 30 to 70 % G and C
    max_lengths: tuple[int, ...] = (100, 140, 200, 200, 260)  # one is drawn for each
    min_length: int = 30

    def only(self, kinds: Collection[Kind]) -> Recipe:
        """The same without sequences of other kinds."""
        left_out: Any = {kind: 0.0 for kind in KINDS if kind not in kinds}
        return replace(self, **left_out)


def make_sequences(
    records: Sequence[LabelledRecord], count: int, seed: int, recipe: Recipe | None = None
) -> Iterator[LabelledRecord]:
    """Yield sequences like those of a data set, without pairs; clusters are drawn evenly.

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
    source = random.Random(seed)
    keys = sorted(clusters)
    kinds = {"whole": recipe.whole, "window": recipe.window}
    kinds |= {"shuffled": recipe.shuffled, "random": recipe.random}
    for number in range(count):
        [kind] = source.choices(list(kinds), list(kinds.values()))
        origin = source.choice(clusters[source.choice(keys)])
        sequence = _make(kind, origin, recipe, source)
        yield LabelledRecord(f"{kind}_{seed}_{number}", sequence, (), "none")


def _make(kind: str, origin: str, recipe: Recipe, source: random.Random) -> str:
    limit = source.choice(recipe.max_lengths)
    sequence = origin.replace("N", source.choice("ACGU"))
    if kind == "whole" and len(sequence) <= limit:
        return sequence
    size = source.randint(recipe.min_length, limit)
    if len(sequence) > size:
        start = source.randrange(len(sequence) - size + 1)
        sequence = sequence[start : start + size]
    if kind == "shuffled":
        return "".join(source.sample(sequence, len(sequence)))
    if kind == "random":
        strong = source.uniform(0.3, 0.7) / 2
        weights = [0.5 - strong, strong, strong, 0.5 - strong]
        return "".join(source.choices("ACGU", weights, k=len(sequence)))
    return sequence


def label_file(
    source: str | Path,
    target: str | Path,
    label: Label,
    jobs: int = 1,
    tell: Callable[[int], None] = lambda _: None,
) -> int:
    """Label the sequences of a data set and write them as another; how many records.

    Labels are written as they come beside the target (`.part`), so a run that was stopped
    goes on where it was. `tell` is called with the number of records done.

    Raises:
        DependencyError: ViennaRNA is not installed.
        InputError, DatasetError: a source that cannot be read, the beginning of other work.
        OutputError: a target that cannot be written.
    """
    import_vienna()
    records = list(read_dataset(source))
    part = Path(f"{target}.part")
    done = _count_done(part, records, label)
    tell(done)
    try:
        with part.open("a", encoding="utf-8", newline="\n") as file:
            for number, record in enumerate(label_records(records[done:], label, jobs), done + 1):
                file.write(record_to_json(record))
                file.flush()
                tell(number)
    except OSError as error:
        raise OutputError(reason(error), path=part) from None
    count = write_dataset(target, read_dataset(part))
    part.unlink()
    return count


def label_records(
    records: Iterable[LabelledRecord], label: Label, jobs: int = 1
) -> Iterator[LabelledRecord]:
    """Yield the records with their labels, in order; several processes if `jobs` is above 1.

    Raises:
        DependencyError: ViennaRNA is not installed.
    """
    import_vienna()
    work = label_mfe if label == "mfe" else label_probabilities
    if jobs == 1:
        yield from map(work, records)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(work, records, _CHUNK)


def label_mfe(record: LabelledRecord) -> LabelledRecord:
    """The record with the pairs of its minimum free energy structure."""
    vienna = import_vienna()
    signs, _ = vienna.fold_compound(record.sequence).mfe()
    return replace(record, pairs=_pairs(vienna, signs), probabilities=None, source=SOURCE)


def label_probabilities(record: LabelledRecord) -> LabelledRecord:
    """The record with its minimum free energy structure and its pair probabilities."""
    vienna = import_vienna()
    compound = vienna.fold_compound(record.sequence)
    signs, energy = compound.mfe()
    compound.exp_params_rescale(energy)
    compound.pf()
    rows = compound.bpp()  # 1-based, upper triangle
    probabilities = tuple(
        (left - 1, right - 1, round(float(value), 3))
        for left in range(1, len(record) + 1)
        for right, value in enumerate(rows[left])
        if value >= MIN_PROBABILITY
    )
    pairs = _pairs(vienna, signs)
    return replace(record, pairs=pairs, probabilities=probabilities, source=SOURCE)


def import_vienna() -> Any:
    """ViennaRNA's Python module.

    Raises:
        DependencyError: it is not installed.
    """
    try:
        return importlib.import_module("RNA")
    except ImportError:
        message = "labels need ViennaRNA: pip install 'rnaformer-cli[label]'"
        raise DependencyError(message) from None


def _pairs(vienna: Any, signs: str) -> tuple[tuple[int, int], ...]:
    table = vienna.ptable(signs)  # 1-based; 0: unpaired
    return tuple(
        (left - 1, table[left] - 1) for left in range(1, len(signs) + 1) if table[left] > left
    )


def _count_done(part: Path, records: Sequence[LabelledRecord], label: Label) -> int:
    """How many records an unfinished file holds; a last line that is not whole is cut off.

    Raises:
        DatasetError: they are not the first of these records with such labels.
    """
    if not part.exists():
        return 0
    data = read_bytes(part)
    whole = data[: data.rfind(b"\n") + 1]
    try:
        found = [record_from_json(line) for line in whole.decode().split("\n")[:-1]]
    except (DatasetError, UnicodeDecodeError):
        raise DatasetError(_NOT_A_PREFIX, path=part) from None
    begun = [(one.id, one.sequence, one.probabilities is not None) for one in found]
    ours = [(one.id, one.sequence, label == "probabilities") for one in records[: len(found)]]
    if begun != ours:
        raise DatasetError(_NOT_A_PREFIX, path=part)
    if len(whole) < len(data):
        part.write_bytes(whole)
    return len(found)
