"""Which sequences are too alike to stand on both sides of a split."""

from __future__ import annotations

import math
import shutil
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import DatasetError

IDENTITY = 0.8
CDHIT = "cd-hit-est-2d"

# At 80 % identity about 0.8 ** 8 = 17 % of the windows of 8 bases are untouched; two unrelated
# sequences of 100 bases share 0.15 % of them. A tenth lies between.
WINDOW = 8
MIN_SHARED_FRACTION = 0.1
_LEAST = 3  # windows in common, so that two short sequences do not meet by chance


@dataclass(frozen=True, slots=True)
class Leak:
    """Two records that must not be on both sides."""

    train: str
    test: str
    reason: str


def kmers(sequence: str) -> set[str]:
    """The distinct windows of a sequence; the sequence itself if it is shorter."""
    return {sequence[i : i + WINDOW] for i in range(max(1, len(sequence) - WINDOW + 1))}


class KmerIndex:
    """Finds the indexed sequences that share enough windows with another."""

    def __init__(self) -> None:
        self._where: dict[str, list[int]] = defaultdict(list)
        self._sizes: list[int] = []

    def add(self, sequence: str) -> int:
        """Index a sequence; its number."""
        number = len(self._sizes)
        windows = kmers(sequence)
        self._sizes.append(len(windows))
        for window in windows:
            self._where[window].append(number)
        return number

    def alike(self, sequence: str) -> Iterator[int]:
        """The numbers of alike sequences, in the order in which they were added."""
        windows = kmers(sequence)
        shared = Counter(number for window in windows for number in self._where.get(window, ()))
        for number in sorted(shared):
            smaller = min(len(windows), self._sizes[number])
            if shared[number] >= max(
                min(_LEAST, smaller), math.ceil(MIN_SHARED_FRACTION * smaller)
            ):
                yield number


def cluster_by_similarity(sequences: Sequence[str]) -> list[int]:
    """A group number for each sequence: that of the first longer sequence it is like.

    Longest first and greedy, as CD-HIT does (Li & Godzik 2006), but then groups with a
    common relative are joined, so that no two groups hold alike sequences.
    """
    order = sorted(range(len(sequences)), key=lambda index: (-len(sequences[index]), index))
    parent = list(range(len(sequences)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    index = KmerIndex()
    for here in order:
        for number in index.alike(sequences[here]):
            one, other = sorted((root(order[number]), root(here)))
            parent[other] = one
        index.add(sequences[here])
    return [root(here) for here in range(len(sequences))]


def find_leaks(
    train: Sequence[LabelledRecord], test: Sequence[LabelledRecord]
) -> tuple[list[Leak], str]:
    """The records that both sides share or resemble each other in, and the method used.

    Exact copies and, for records that name one, families and clans are always compared;
    likeness by CD-HIT-EST-2D at 80 % identity if it is installed, else by shared windows.

    Raises:
        DatasetError: CD-HIT-EST-2D failed.
    """
    leaks = [*_find_equal(train, test, "sequence", "the same sequence")]
    for name in ("family", "clan"):
        leaks += _find_equal(train, test, name, f"the same {name}")
    if shutil.which(CDHIT):
        return leaks + _cdhit(train, test), f"{CDHIT} -c {IDENTITY}"
    method = f"exact and shared {WINDOW}-mers ({CDHIT} is not installed)"
    return leaks + _find_by_kmers(train, test), method


def _find_equal(
    train: Iterable[LabelledRecord], test: Iterable[LabelledRecord], name: str, reason: str
) -> Iterator[Leak]:
    seen: dict[str, str] = {}
    for record in train:
        seen.setdefault(getattr(record, name), record.id)
    for record in test:
        value = getattr(record, name)
        if value is not None and value in seen:
            yield Leak(seen[value], record.id, reason)


def _find_by_kmers(train: Sequence[LabelledRecord], test: Sequence[LabelledRecord]) -> list[Leak]:
    index = KmerIndex()
    for record in test:
        index.add(record.sequence)
    leaks: dict[int, Leak] = {}
    for record in train:
        for number in index.alike(record.sequence):
            reason = f"at least {MIN_SHARED_FRACTION:.0%} of {WINDOW}-mers"
            leaks.setdefault(number, Leak(record.id, test[number].id, reason))
    return [leaks[number] for number in sorted(leaks)]


def _cdhit(train: Sequence[LabelledRecord], test: Sequence[LabelledRecord]) -> list[Leak]:
    """Test records that CD-HIT-EST-2D removes as alike to the training set."""
    with tempfile.TemporaryDirectory(prefix="rnaformer-") as folder:
        paths = [Path(folder) / name for name in ("train.fa", "test.fa", "kept.fa")]
        for path, records in zip(paths, (train, test), strict=False):
            rows = (
                f">{number}\n{r.sequence.replace('U', 'T')}\n" for number, r in enumerate(records)
            )
            path.write_text("".join(rows))
        command = [CDHIT, "-i", paths[0], "-i2", paths[1], "-o", paths[2], "-c", IDENTITY]
        command += ["-n", 5, "-s2", 0, "-l", 10, "-d", 0, "-M", 0]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise DatasetError(f"{CDHIT} failed: {said[-1] if said else done.returncode}")
        kept = {int(line[1:]) for line in paths[2].read_text().splitlines() if line[:1] == ">"}
    reason = f"identity of {IDENTITY:.0%} ({CDHIT})"
    return [Leak("-", r.id, reason) for number, r in enumerate(test) if number not in kept]
