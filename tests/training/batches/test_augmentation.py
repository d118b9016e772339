"""Compensatory mutations of records: which letters change and which are kept."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.training.batches.augmentation import augment

CANONICAL = {"AU", "UA", "GC", "CG", "GU", "UG"}
LONG = LabelledRecord("long", "GA" * 500 + "UU" * 500, tuple((i, 1999 - i) for i in range(990)), "")


def record(sequence: str, *pairs: tuple[int, int]) -> LabelledRecord:
    return LabelledRecord("rna", sequence, pairs, "bprna", cluster=7)


@given(st.integers(0, 2**32), st.floats(0, 1))
def test_pairs_stay_and_remain_canonical(seed: int, most: float) -> None:
    hairpin = record("GCAAAAAUGC", (0, 9), (1, 8), (2, 7))
    augmented = augment(hairpin, np.random.default_rng(seed), most)
    assert augmented.pairs == hairpin.pairs
    assert len(augmented.sequence) == 10
    assert {
        augmented.sequence[left] + augmented.sequence[right] for left, right in augmented.pairs
    } <= (CANONICAL)


@given(st.integers(0, 2**32))
def test_other_pairs_and_bases_with_several_partners_keep_their_letters(seed: int) -> None:
    odd = record("AGAAAACUG", (0, 8), (1, 6), (1, 7))  # A-G, and G with both C and U
    augmented = augment(odd, np.random.default_rng(seed), 1.0).sequence
    assert [augmented[i] for i in (0, 1, 6, 7, 8)] == ["A", "G", "C", "U", "G"]


def test_nothing_changes_at_a_rate_of_zero() -> None:
    assert augment(LONG, np.random.default_rng(0), 0.0) == LONG


def test_the_fraction_of_changes_stays_below_the_rate() -> None:
    changes = [
        np.mean([a != b for a, b in zip(LONG.sequence, augmented.sequence, strict=True)])
        for seed in range(20)
        for augmented in [augment(LONG, np.random.default_rng(seed), 0.5)]
    ]
    assert 0.3 < max(changes) < 0.5  # some redrawn letters are what they were
    assert min(changes) < 0.1


def test_all_other_fields_are_kept() -> None:
    augmented = augment(record("GAAAC", (0, 4)), np.random.default_rng(3), 1.0)
    assert (augmented.id, augmented.source, augmented.cluster) == ("rna", "bprna", 7)
