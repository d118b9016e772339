"""Random constraints and scores, and the guarantees of a structure under constraints."""

import itertools

import numpy as np

from rnaformer_cli.prediction.constraints import PairConstraints
from rnaformer_cli.sequence.constraints import MIN_LOOP, Constraints
from rnaformer_cli.structure.crossing import crosses


def random_constraints(rng, size, may_cross):
    """Constraints that can be met, with forced pairs and up to three required bases."""
    pairs = set()
    for _ in range(rng.randint(0, 3)):
        pair = tuple(sorted(rng.sample(range(size), 2)))
        new = [*sorted(pairs), pair]
        free = not {base for old in pairs for base in old} & set(pair)
        if free and pair[1] - pair[0] > MIN_LOOP and (may_cross or not crosses(new).any()):
            pairs.add(pair)
    others = [base for base in range(size) if base not in {b for pair in pairs for b in pair}]
    rng.shuffle(others)
    signs = {name: set() for name in ("unpaired", "paired", "downstream", "upstream")}
    for base in others[: rng.randint(0, 6)]:
        name = rng.choice(list(signs))
        is_low, is_high = base <= MIN_LOOP, base + MIN_LOOP + 1 >= size
        if not (name == "downstream" and is_high) and not (name == "upstream" and is_low):
            signs[name].add(base)
    wide = list(itertools.combinations(range(size), 2))
    forbidden = set(rng.sample(wide, rng.randint(0, min(8, len(wide))))) - pairs
    frozen = {name: frozenset(bases) for name, bases in signs.items()}
    return Constraints(size, frozenset(pairs), frozenset(forbidden), **frozen)


def random_scores(rng, size):
    """Symmetric random probabilities (L, L), few or many of them high."""
    generator = np.random.default_rng(rng.randrange(2**32))
    logits = np.triu(generator.normal(rng.uniform(-6, 0), 3.0, (size, size)), 1)
    scores = np.triu(1.0 / (1.0 + np.exp(-logits)), 1).astype(np.float32)
    return scores + scores.T


def check_guarantees(structure, constraints, sequence, decoding):
    """Check the guarantees of every decoding; return the required bases without a partner."""
    pairs, paired = structure.pairs, {base for pair in structure.pairs for base in pair}
    assert constraints.pairs <= pairs
    assert not constraints.forbidden & pairs
    assert not constraints.unpaired & paired
    assert not any(right in constraints.downstream for _, right in pairs)
    assert not any(left in constraints.upstream for left, _ in pairs)
    forced = {base for pair in constraints.pairs for base in pair}
    assert all(pair in constraints.pairs or not forced & set(pair) for pair in pairs)
    if decoding != "raw":
        assert structure.multiplets() == []
    if decoding == "nested":
        assert not crosses(sorted(pairs)).any()
    unmet = PairConstraints.of(sequence, constraints).unmet(pairs)
    assert set(unmet) == constraints.required - paired
    return unmet
