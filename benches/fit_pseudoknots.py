"""Fit the coefficients that `rnaformer_cli/folding/pseudoknots.py` holds.

    python benches/fit_pseudoknots.py --data pool.jsonl.gz vl_families.jsonl.gz vl0.jsonl.gz

Maximum likelihood of the log-odds of all candidates, with one pseudoknot or none in each record of
at most 200 nt. Records with crossing pairs are used if a candidate has only pairs of the reference;
each family of them counts as at most 6 records. Of the other records, one of each cluster is used.
Random and shuffled sequences of 30 to 600 nt, as in negatives.py, are records without pseudoknots.
The table is a cross-validation in four folds by clan or family: the F1 of the crossing pairs of the
most probable candidate by the least probability at which it is predicted. Then follow the
coefficients that are fitted to all records. It takes about a quarter of an hour on one core.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from negatives import random_letters, random_window, shuffle_dinucleotides
from torch import Tensor

from rnaformer_cli.dataset.records import LabelledRecord, read_dataset
from rnaformer_cli.folding.pseudoknots import FEATURES, INTERCEPT, Candidates, Pair
from rnaformer_cli.model.checkpoint import load_network
from rnaformer_cli.prediction.batching import to_tensors
from rnaformer_cli.structure.crossing import crosses
from rnaformer_cli.weight_store.store import DEFAULT, find_weights

MAX_LENGTH, MAX_OF_FAMILY, MAX_READ_OF_FAMILY, MAX_WITHOUT = 200, 6, 40, 2_500
FOLDS, REGULARISATION = 4, 3e-3
# Coefficients of a model whose log-odds are sums of scores, as those of nested structures are.
PRIOR = dict.fromkeys(("context", "stacking", "unpaired"), 1.0)
PRIOR |= dict.fromkeys(("helices_loop_1", "helices_loop_2", "helices_loop_3"), 1.0)
THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.5)


@dataclass(frozen=True, slots=True)
class Example:
    """A record, its crossing pairs and candidates, and which candidates are correct."""

    data: str
    group: str
    crossing: frozenset[Pair]
    candidates: Candidates
    correct: np.ndarray


def crossing_pairs(record: LabelledRecord) -> frozenset[Pair]:
    """The pairs that cross another one."""
    pairs = sorted(record.pairs)
    found = crosses(pairs)
    return frozenset(pair for pair, is_crossing in zip(pairs, found, strict=True) if is_crossing)


def choose_records(path: str, seed: int) -> list[tuple[LabelledRecord, frozenset[Pair]]]:
    """The records of a data set to fit to, with their crossing pairs."""
    records = [
        record
        for record in read_dataset(path)
        if len(record.sequence) <= MAX_LENGTH and "N" not in record.sequence
    ]
    random.Random(seed).shuffle(records)
    of_family: Counter[str] = Counter()
    clusters: set[object] = set()
    chosen = []
    for record in records:
        crossing = crossing_pairs(record)
        if crossing:
            of_family[group(record)] += 1
            if of_family[group(record)] <= MAX_READ_OF_FAMILY:
                chosen.append((record, crossing))
        else:
            cluster = record.id if record.cluster is None else record.cluster
            if cluster not in clusters and len(clusters) < MAX_WITHOUT:
                clusters.add(cluster)
                chosen.append((record, crossing))
    return chosen


def make_negatives(path: str, count: int, seed: int) -> list[LabelledRecord]:
    """Random sequences, and as many windows of the records with shuffled dinucleotides."""
    source = random.Random(1000 + seed)
    sequences = [record.sequence for record in read_dataset(path) if "N" not in record.sequence]
    made = [random_letters(source) for _ in range(count)]
    made += [shuffle_dinucleotides(random_window(sequences, source), source) for _ in range(count)]
    return [
        LabelledRecord(f"negative-{number}", sequence, (), "made")
        for number, sequence in enumerate(made)
    ]


def group(record: LabelledRecord) -> str:
    """What is kept in one fold: the clan, family or cluster."""
    return str(record.clan or record.family or record.cluster or record.id)


def make_example(
    data: str, record: LabelledRecord, crossing: frozenset[Pair], candidates: Candidates
) -> Example:
    """The example of a record."""
    pairs = set(record.pairs)
    helices = map(candidates.pairs, range(len(candidates)))
    correct = [pairs.issuperset(first + second) for first, second in helices]
    return Example(data, group(record), crossing, candidates, np.array(correct, dtype=bool))


class Likelihood:
    """The likelihood of the examples: one of the correct candidates, or none."""

    def __init__(self, examples: Sequence[Example]) -> None:
        counts = [len(example.candidates) for example in examples]
        self.index = torch.arange(len(examples)).repeat_interleave(torch.tensor(counts))
        self.features = torch.from_numpy(
            np.concatenate([example.candidates.features for example in examples])
        )
        self.correct = torch.from_numpy(np.concatenate([example.correct for example in examples]))
        self.n_examples = len(examples)
        families = Counter(example.group for example in examples if example.correct.any())
        self.weights = torch.tensor(
            [
                min(1.0, MAX_OF_FAMILY / families[example.group])
                if example.correct.any()
                else float(not example.crossing)
                for example in examples
            ],
            dtype=torch.float64,
        )

    def loss(self, coefficients: Tensor, intercept: Tensor) -> Tensor:
        """The mean negative log-likelihood."""
        odds = torch.exp(self.features @ coefficients + intercept)
        zeros = odds.new_zeros(self.n_examples)
        total = 1.0 + zeros.index_add(0, self.index, odds)
        correct = zeros.index_add(0, self.index, odds * self.correct)
        value = torch.log(torch.where(correct > 0, correct, 1.0)) - torch.log(total)
        return -(value * self.weights).sum() / self.weights.sum()


def fit(examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """The coefficients and the intercept; the shipped ones are where the fit begins."""
    likelihood = Likelihood(examples)
    prior = torch.tensor([PRIOR.get(name, 0.0) for name in FEATURES], dtype=torch.float64)
    scale = likelihood.features.std(0)
    coefficients = torch.tensor(list(FEATURES.values()), dtype=torch.float64, requires_grad=True)
    intercept = torch.tensor(INTERCEPT, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [coefficients, intercept], max_iter=100, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        distance = ((coefficients - prior) * scale).square().sum()
        loss = likelihood.loss(coefficients, intercept) + REGULARISATION * distance
        loss.backward()
        return loss

    optimiser.step(closure)
    return coefficients.detach(), intercept.detach()


def most_probable(
    example: Example, coefficients: Tensor, intercept: Tensor
) -> tuple[float, set[Pair]]:
    """The probability of a pseudoknot, and the pairs of the most probable one."""
    if not len(example.candidates):
        return 0.0, set()
    log_odds = example.candidates.features @ coefficients.numpy() + intercept.item()
    best = int(log_odds.argmax())
    first, second = example.candidates.pairs(best)
    total = np.exp(log_odds).sum()
    return float(total / (1.0 + total)), {*first, *second}


def report(examples: Iterable[tuple[Example, float, set[Pair]]]) -> None:
    """Print precision, recall and F1 of the crossing pairs at each threshold."""
    by_data: dict[str, list[tuple[Example, float, set[Pair]]]] = {}
    for row in examples:
        by_data.setdefault(row[0].data, []).append(row)
    print("set\trecords\twith crossing pairs\tthreshold\tpredicted\tprecision\trecall\tF1")
    for data, rows in by_data.items():
        known = sum(len(example.crossing) for example, _, _ in rows)
        for threshold in THRESHOLDS:
            chosen = [(example, pairs) for example, p, pairs in rows if p >= threshold]
            predicted = sum(len(pairs) for _, pairs in chosen)
            correct = sum(len(pairs & example.crossing) for example, pairs in chosen)
            values = (
                correct / max(predicted, 1),
                correct / max(known, 1),
                2 * correct / max(predicted + known, 1),
            )
            shown = "\t".join(f"{value:.2f}" for value in values)
            n_crossing = sum(bool(example.crossing) for example, _, _ in rows)
            print(f"{data}\t{len(rows)}\t{n_crossing}\t{threshold}\t{len(chosen)}\t{shown}")


def main() -> None:
    """Find the candidates of all records, cross-validate and print the coefficients."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--negatives", type=int, default=500, help="of each of both kinds")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folding = load_network(find_weights(DEFAULT))[0].folding
    assert folding is not None
    chosen = [
        (path, record, crossing)
        for path in arguments.data
        for record, crossing in choose_records(path, arguments.seed)
    ]
    made = make_negatives(arguments.data[0], arguments.negatives, arguments.seed)
    chosen += [("random and shuffled", record, frozenset()) for record in made]
    examples = []
    for data, record, crossing in chosen:
        bases, _ = to_tensors([record.sequence])
        (candidates,) = folding.pseudoknot_candidates(bases, [len(record.sequence)])
        examples.append(make_example(data, record, crossing, candidates))
    groups = sorted({example.group for example in examples})
    random.Random(arguments.seed).shuffle(groups)
    fold_of = {name: number % FOLDS for number, name in enumerate(groups)}
    rows = []
    for fold in range(FOLDS):
        fitted = fit([example for example in examples if fold_of[example.group] != fold])
        rows += [
            (example, *most_probable(example, *fitted))
            for example in examples
            if fold_of[example.group] == fold
        ]
    report(rows)
    coefficients, intercept = fit(examples)
    for name, value in zip(FEATURES, coefficients.tolist(), strict=True):
        print(f"{name}\t{value:.2f}")
    print(f"intercept\t{intercept.item():.2f}")


if __name__ == "__main__":
    main()
