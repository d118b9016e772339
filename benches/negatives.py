"""Predictions for random and shuffled RNAs, which have no structure to find.

    python benches/negatives.py --data train.jsonl.gz --count 1000

Half of the sequences are random bases with a GC content of 30 to 70 %, half are windows of the
records with their dinucleotides shuffled (Altschul & Erickson 1985), all of 30 to 600 nt. For each
kind and decoding the table lists the fraction of records with crossing pairs, the isolated pairs
and the pairs per record, and the median probability of the predicted pairs. RNAfold's MFE
structures are listed for comparison.
"""

from __future__ import annotations

import argparse
import itertools
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median

from rnaformer_cli import Options, RnaRecord, load
from rnaformer_cli.dataset.labelling import import_vienna
from rnaformer_cli.dataset.records import read_dataset
from rnaformer_cli.errors import DependencyError
from rnaformer_cli.prediction.predictor import Prediction
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.structure import BasePair, Structure

LENGTHS = (30, 600)


def random_letters(source: random.Random) -> str:
    """Random bases with a GC content of 30 to 70 %."""
    gc_half = source.uniform(0.3, 0.7) / 2
    weights = [0.5 - gc_half, gc_half, gc_half, 0.5 - gc_half]
    return "".join(source.choices("ACGU", weights, k=source.randint(*LENGTHS)))


def random_window(sequences: list[str], source: random.Random) -> str:
    """A random window of concatenated sequences."""
    size, joined = source.randint(*LENGTHS), ""
    while len(joined) < size:
        joined += source.choice(sequences)
    start = source.randrange(len(joined) - size + 1)
    return joined[start : start + size]


def shuffle_dinucleotides(sequence: str, source: random.Random) -> str:
    """The same dinucleotides in random order: a random Eulerian path."""
    following: dict[str, list[str]] = {}
    for base, next_base in itertools.pairwise(sequence):
        following.setdefault(base, []).append(next_base)
    last = sequence[-1]
    while True:
        ends = {base: source.choice(rest) for base, rest in following.items() if base != last}
        if all(leads_to(base, last, ends) for base in ends):
            break
    for base, rest in following.items():
        if base in ends:
            rest.remove(ends[base])
        source.shuffle(rest)
        if base in ends:
            rest.append(ends[base])
    steps = {base: iter(rest) for base, rest in following.items()}
    path = [sequence[0]]
    while len(path) < len(sequence):
        path.append(next(steps[path[-1]]))
    return "".join(path)


def leads_to(base: str, last: str, ends: dict[str, str]) -> bool:
    """Whether the final edges lead from a base to the last base."""
    visited = set()
    while base != last and base not in visited:
        visited.add(base)
        base = ends[base]
    return base == last


def count_isolated_pairs(pairs: Iterable[BasePair]) -> int:
    """The number of pairs that do not stack on another pair."""
    all_pairs = set(pairs)
    return sum(
        (left - 1, right + 1) not in all_pairs and (left + 1, right - 1) not in all_pairs
        for left, right in all_pairs
    )


def format_row(name: str, structures: list[Structure], scores: list[float]) -> str:
    """A row of the table."""
    count = len(structures)
    crossing = sum(bool(structure.crossing_pairs()) for structure in structures) / count
    isolated = sum(count_isolated_pairs(structure.pairs) for structure in structures) / count
    pairs = sum(len(structure.pairs) for structure in structures) / count
    score = f"{median(scores):.3f}" if scores else "-"
    return f"| {name} | {count} | {100 * crossing:.1f} % | {isolated:.2f} | {pairs:.1f} | {score} |"


def measure_rows(sequences: dict[str, list[str]], decodings: list[str]) -> Iterator[str]:
    """Yield the rows of all kinds of sequences and decodings."""
    for kind, texts in sequences.items():
        records = [RnaRecord(f"{kind}_{number}", text) for number, text in enumerate(texts)]
        for decoding in decodings:
            results = list(load(options=Options(decoding=decoding)).predict(records))  # type: ignore[arg-type]  # a choice
            predictions = [result for result in results if isinstance(result, Prediction)]
            structures = [prediction.structure for prediction in predictions]
            scores = [
                prediction.pair_scores[pair]
                for prediction in predictions
                for pair in prediction.structure.pairs
            ]
            yield format_row(f"{kind}, {decoding}", structures, scores)
        try:
            fold = import_vienna().fold
        except DependencyError:
            continue
        structures = [parse_dot_bracket(fold(text)[0]) for text in texts]
        yield format_row(f"{kind}, RNAfold", structures, [])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="labelled records to shuffle")
    parser.add_argument("--count", type=int, default=100, help="sequences of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--decode", action="append", help="default: mea")
    chosen = parser.parse_args()
    source = random.Random(chosen.seed)
    known = [record.sequence for record in read_dataset(chosen.data) if "N" not in record.sequence]
    sequences = {
        "random": [random_letters(source) for _ in range(chosen.count)],
        "shuffled": [
            shuffle_dinucleotides(random_window(known, source), source) for _ in range(chosen.count)
        ],
    }
    print(
        "| sequences, decoding | n | with crossing pairs | isolated | pairs | median probability |"
    )
    print("|---|---|---|---|---|---|")
    for row in measure_rows(sequences, chosen.decode or ["mea"]):
        print(row, flush=True)


if __name__ == "__main__":
    main()
