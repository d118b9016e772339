"""Random constraints on random logits: check what every decoding guarantees.

    python benches/constraints.py --inputs 200000

Each input is a random sequence of 5 to 40 bases with random logits and random constraints, decoded
by one of the four decodings. The checks cover forced and forbidden pairs, unpaired bases,
directions, crossing pairs, and that the bases reported without a partner are those that have none.
Whether such a base could have had a partner is tested in tests/prediction/test_constraints.py, by
enumeration of all structures.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from dataclasses import fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from factories.constraints import check_guarantees, random_constraints, random_scores

from rnaformer_cli.prediction.constraints import PairConstraints
from rnaformer_cli.prediction.decoding import DECODINGS, decode

MAX_BASES = 40
LETTERS = ("ACGUN", (5, 5, 5, 5, 1))


def main() -> None:
    """Decode the inputs and print the counts of each decoding."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    start = time.perf_counter()
    # Inputs, constraints, bases that must pair, and those that cannot.
    counts = dict.fromkeys(DECODINGS, (0, 0, 0, 0))
    for number in range(chosen.inputs):
        decoding = DECODINGS[number % len(DECODINGS)]
        added = decode_one(random.Random(f"{chosen.seed} {number}"), decoding)
        counts[decoding] = tuple(map(sum, zip(counts[decoding], added, strict=True)))
    for decoding, (inputs, total, required, unmet) in counts.items():
        print(f"{decoding}: {inputs:,} inputs, {total:,} constraints; ", end="")
        print(f"{required:,} bases must pair, {unmet:,} cannot")
    print(f"{time.perf_counter() - start:.0f} s")


def decode_one(rng: random.Random, decoding: str) -> tuple[int, int, int, int]:
    """Decode and check one random input.

    The result is 1 and the numbers of constraints, required bases, and those without a partner.

    Raises:
        AssertionError: a guarantee that does not hold.
    """
    size = rng.randint(5, MAX_BASES)
    sequence = "".join(rng.choices(*LETTERS, k=size))
    constraints = random_constraints(rng, size, may_cross=decoding != "nested")
    pairs = PairConstraints.of(sequence, constraints)
    structure = decode(random_scores(rng, size), rng.choice((0.0, 0.1, 0.4)), decoding, pairs)
    unmet = check_guarantees(structure, constraints, sequence, decoding)
    held = (getattr(constraints, one.name) for one in fields(constraints) if one.name != "length")
    return 1, sum(map(len, held)), len(constraints.required), len(unmet)


if __name__ == "__main__":
    main()
