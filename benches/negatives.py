"""Random and shuffled RNAs: what is printed of sequences that have no structure to find.

    python benches/negatives.py --data train.jsonl.gz --count 1000

Half of the sequences are random letters with 30 to 70 % G and C, half are parts of the records with
their dinucleotides shuffled (Altschul & Erickson 1985); 30 to 600 nt, seeded. For each kind and
decoding: the part of the records with crossing pairs, isolated pairs and pairs for each record, and
the median probability of the pairs printed. RNAfold's MFE structures follow.
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
    """Letters at random, G and C together at 30 to 70 %."""
    strong = source.uniform(0.3, 0.7) / 2
    weights = [0.5 - strong, strong, strong, 0.5 - strong]
    return "".join(source.choices("ACGU", weights, k=source.randint(*LENGTHS)))


def random_part(sequences: list[str], source: random.Random) -> str:
    """A random part of some of the sequences in a row."""
    size, joined = source.randint(*LENGTHS), ""
    while len(joined) < size:
        joined += source.choice(sequences)
    start = source.randrange(len(joined) - size + 1)
    return joined[start : start + size]


def shuffled(sequence: str, source: random.Random) -> str:
    """The same dinucleotides in random order: a random Eulerian path."""
    following: dict[str, list[str]] = {}
    for one, other in itertools.pairwise(sequence):
        following.setdefault(one, []).append(other)
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
    """Whether the last steps from a base on reach the last base."""
    seen = set()
    while base != last and base not in seen:
        seen.add(base)
        base = ends[base]
    return base == last


def isolated(pairs: Iterable[BasePair]) -> int:
    """Pairs that stack on no other one."""
    found = set(pairs)
    return sum(
        (left - 1, right + 1) not in found and (left + 1, right - 1) not in found
        for left, right in found
    )


def describe(name: str, structures: list[Structure], scores: list[float]) -> str:
    """A row of the table."""
    count = len(structures)
    crossing = sum(bool(one.crossing_pairs()) for one in structures) / count
    alone = sum(isolated(one.pairs) for one in structures) / count
    pairs = sum(len(one.pairs) for one in structures) / count
    middle = f"{median(scores):.3f}" if scores else "-"
    return f"| {name} | {count} | {100 * crossing:.1f} % | {alone:.2f} | {pairs:.1f} | {middle} |"


def rows(sequences: dict[str, list[str]], decodings: list[str]) -> Iterator[str]:
    """The rows of all kinds and predictors."""
    for kind, ones in sequences.items():
        records = [RnaRecord(f"{kind}_{number}", one) for number, one in enumerate(ones)]
        for decoding in decodings:
            answers = list(load(options=Options(decoding=decoding)).predict(records))  # type: ignore[arg-type]  # a choice
            found = [one for one in answers if isinstance(one, Prediction)]
            scores = [one.pair_scores[pair] for one in found for pair in one.structure.pairs]
            yield describe(f"{kind}, {decoding}", [one.structure for one in found], scores)
        try:
            fold = import_vienna().fold
        except DependencyError:
            continue
        yield describe(f"{kind}, RNAfold", [parse_dot_bracket(fold(one)[0]) for one in ones], [])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="labelled records to shuffle")
    parser.add_argument("--count", type=int, default=100, help="sequences of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--decode", action="append", help="default: mea")
    chosen = parser.parse_args()
    source = random.Random(chosen.seed)
    known = [one.sequence for one in read_dataset(chosen.data) if "N" not in one.sequence]
    sequences = {
        "random": [random_letters(source) for _ in range(chosen.count)],
        "shuffled": [shuffled(random_part(known, source), source) for _ in range(chosen.count)],
    }
    print(
        "| sequences, decoding | n | with crossing pairs | isolated | pairs | median probability |"
    )
    print("|---|---|---|---|---|---|")
    for row in rows(sequences, chosen.decode or ["mea"]):
        print(row, flush=True)


if __name__ == "__main__":
    main()
