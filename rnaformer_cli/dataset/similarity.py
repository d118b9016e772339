"""Similarity of sequences, for splits without leaks between training and test sets."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import DatasetError

IDENTITY = 0.8
_CLUSTER_MEMBER = re.compile(r"nt, >(\d+)\.\.\. (\S+)")
CDHIT = "cd-hit-est-2d"

# At 80 % identity about 0.8 ** 8 = 17 % of the 8-mers are unchanged; two unrelated sequences of 100
# bases have 0.15 % of them in common. MIN_SHARED_FRACTION is between these values.
KMER_LENGTH = 8
MIN_SHARED_FRACTION = 0.1
_MIN_CDHIT_LENGTH = 11  # bases; shorter sequences, which CD-HIT ignores, must be equal
_MAX_CDHIT_LENGTH = 655_359  # bases; CD-HIT stops at longer ones, unless it is built for them
_MIN_SHARED_KMERS = 3  # otherwise two short sequences could be similar by chance


@dataclass(frozen=True, slots=True)
class Leak:
    """A training record and a test record that are related."""

    train: str
    test: str
    reason: str


def kmers(sequence: str) -> set[str]:
    """The distinct k-mers of a sequence; a sequence shorter than k is one k-mer."""
    return {sequence[i : i + KMER_LENGTH] for i in range(max(1, len(sequence) - KMER_LENGTH + 1))}


class KmerIndex:
    """An index of sequences by their k-mers."""

    def __init__(self) -> None:
        self._numbers: dict[str, array[int]] = defaultdict(lambda: array("q"))  # by k-mer
        self._sizes = array("q")  # distinct k-mers of each sequence

    def add(self, sequence: str) -> int:
        """Add a sequence and return its number."""
        number = len(self._sizes)
        words = kmers(sequence)
        self._sizes.append(len(words))
        for word in words:
            self._numbers[word].append(number)
        return number

    def find_similar(self, sequence: str) -> NDArray[np.int64]:
        """The numbers of similar sequences (M,), in the order in which they were added."""
        words = kmers(sequence)
        found = [np.array(self._numbers[word]) for word in words if word in self._numbers]
        if not found:
            return np.zeros(0, dtype=np.int64)
        numbers, shared = np.unique(np.concatenate(found), return_counts=True)
        smaller = np.minimum(len(words), np.array(self._sizes)[numbers])
        needed = np.maximum(
            np.minimum(_MIN_SHARED_KMERS, smaller), np.ceil(MIN_SHARED_FRACTION * smaller)
        )
        similar: NDArray[np.int64] = numbers[shared >= needed]
        return similar


def cluster_by_similarity(sequences: Sequence[str]) -> list[int]:
    """The cluster number of each sequence: the smallest index of its members.

    Greedy from the longest sequence, as in CD-HIT (Li & Godzik 2006). Unlike in CD-HIT, a sequence
    that is similar to two clusters joins them, so that no two clusters hold similar sequences.
    """
    # The index of the first of equal sequences.
    numbers = {text: index for index, text in reversed(list(enumerate(sequences)))}
    order = sorted(numbers, key=lambda text: (-len(text), numbers[text]))
    index = KmerIndex()
    clusters = np.array([numbers[text] for text in order], dtype=np.int64)
    for current, text in enumerate(order):
        joined = np.unique(clusters[index.find_similar(text)])
        index.add(text)
        smallest = min([clusters[current], *joined])
        clusters[current] = smallest
        for other in joined[joined != smallest]:
            clusters[: current + 1][clusters[: current + 1] == other] = smallest
    cluster_of = dict(zip(order, clusters.tolist(), strict=True))
    return [cluster_of[text] for text in sequences]


def find_leaks(
    train: Sequence[LabelledRecord], test: Sequence[LabelledRecord]
) -> tuple[list[Leak], str]:
    """The pairs of related training and test records, and the method of the comparison.

    Sequences are compared for equality, and families and clans where they are given. Similar
    sequences are found by CD-HIT-EST-2D at 80 % identity if it is installed, else by shared k-mers.

    Raises:
        DatasetError: a record is too long for CD-HIT-EST-2D, or it failed.
    """
    leaks = [*_find_equal(train, test, "sequence", "the same sequence")]
    leaks += _find_equal(train, test, "family_name", "the same family")
    leaks += _find_equal(train, test, "clan", "the same clan")
    if shutil.which(CDHIT):
        return leaks + _cdhit(train, test), f"{CDHIT} -c {IDENTITY}"
    method = f"exact comparison and shared {KMER_LENGTH}-mers ({CDHIT} is not installed)"
    return leaks + _find_by_kmers(train, test), method


def _find_equal(
    train: Iterable[LabelledRecord], test: Iterable[LabelledRecord], name: str, reason: str
) -> Iterator[Leak]:
    train_ids: dict[str, str] = {}
    for record in train:
        train_ids.setdefault(getattr(record, name), record.id)
    for record in test:
        value = getattr(record, name)
        if value is not None and value in train_ids:
            yield Leak(train_ids[value], record.id, reason)


def _find_by_kmers(train: Sequence[LabelledRecord], test: Sequence[LabelledRecord]) -> list[Leak]:
    index = KmerIndex()
    sequences = list(dict.fromkeys(record.sequence for record in test))
    for sequence in sequences:
        index.add(sequence)
    first_train: dict[str, str] = {}  # sequence -> id of the first record with it
    for record in train:
        first_train.setdefault(record.sequence, record.id)
    is_unrelated = np.ones(len(sequences), dtype=bool)  # to all training records so far
    relatives: dict[str, str] = {}  # test sequence -> id of a similar training record
    for sequence, name in first_train.items():
        found = index.find_similar(sequence)
        relatives.update((sequences[number], name) for number in found[is_unrelated[found]])
        is_unrelated[found] = False
    reason = f"at least {MIN_SHARED_FRACTION:.0%} of {KMER_LENGTH}-mers"
    return [
        Leak(relatives[record.sequence], record.id, reason)
        for record in test
        if record.sequence in relatives
    ]


def _cdhit(train: Sequence[LabelledRecord], test: Sequence[LabelledRecord]) -> list[Leak]:
    """The test records that CD-HIT-EST-2D removes as similar to a training record.

    Raises:
        DatasetError: a record that is too long for it, or it failed.
    """
    for record in (*train, *test):
        if len(record) > _MAX_CDHIT_LENGTH:
            message = f"{len(record):,} bases are more than the {_MAX_CDHIT_LENGTH:,} that {CDHIT}"
            hint = "compares; `rnaformer data subset --max-length` leaves out such records"
            raise DatasetError(f"{message} {hint}", record=record.id)
    train, test = (
        [record for record in records if len(record) >= _MIN_CDHIT_LENGTH]
        for records in (train, test)
    )
    if not train or not test:
        return []
    with tempfile.TemporaryDirectory(prefix="rnaformer-") as folder:
        paths = [Path(folder) / name for name in ("train.fa", "test.fa", "kept.fa")]
        for path, records in zip(paths, (train, test), strict=False):
            rows = (
                f">{number}\n{r.sequence.replace('U', 'T')}\n" for number, r in enumerate(records)
            )
            path.write_text("".join(rows))
        command = [CDHIT, "-i", paths[0], "-i2", paths[1], "-o", paths[2], "-c", IDENTITY]
        command += ["-n", 5, "-s2", 0, "-l", _MIN_CDHIT_LENGTH - 1, "-d", 0, "-M", 0]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        if done.returncode:
            output = (done.stderr or done.stdout).strip().splitlines()
            raise DatasetError(f"{CDHIT} failed: {output[-1] if output else done.returncode}")
        clusters = paths[2].with_name(f"{paths[2].name}.clstr").read_text()
    reason = f"identity of {IDENTITY:.0%} ({CDHIT})"
    similar = _read_clusters(clusters)
    return [Leak(train[other].id, test[number].id, reason) for number, other in similar]


def _read_clusters(text: str) -> list[tuple[int, int]]:
    """The indices (test, training) of each similar pair in a .clstr file of CD-HIT-EST-2D.

    A cluster is a training record, whose line ends in `*`, and the test records that are similar.
    """
    pairs = []
    for cluster in text.split(">Cluster ")[1:]:
        members = _CLUSTER_MEMBER.findall(cluster)
        training = [int(number) for number, mark in members if mark == "*"]
        pairs += [
            (int(number), other) for number, mark in members if mark != "*" for other in training
        ]
    return sorted(pairs)
