"""Records with other letters: what stays, what changes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.training.batches.variation import vary

CANONICAL = {"AU", "UA", "GC", "CG", "GU", "UG"}
LONG = LabelledRecord("long", "GA" * 500 + "UU" * 500, tuple((i, 1999 - i) for i in range(990)), "")


def record(sequence: str, *pairs: tuple[int, int]) -> LabelledRecord:
    return LabelledRecord("rna", sequence, pairs, "bprna", cluster=7)


@given(st.integers(0, 2**32), st.floats(0, 1))
def test_pairs_stay_and_remain_canonical(seed: int, most: float) -> None:
    hairpin = record("GCAAAAAUGC", (0, 9), (1, 8), (2, 7))
    varied = vary(hairpin, np.random.default_rng(seed), most)
    assert varied.pairs == hairpin.pairs
    assert len(varied.sequence) == 10
    assert {varied.sequence[left] + varied.sequence[right] for left, right in varied.pairs} <= (
        CANONICAL
    )


@given(st.integers(0, 2**32))
def test_other_pairs_and_bases_with_several_partners_keep_their_letters(seed: int) -> None:
    odd = record("AGAAAACUG", (0, 8), (1, 6), (1, 7))  # A-G, and G with both C and U
    varied = vary(odd, np.random.default_rng(seed), 1.0).sequence
    assert [varied[i] for i in (0, 1, 6, 7, 8)] == ["A", "G", "C", "U", "G"]


def test_nothing_changes_at_a_share_of_zero() -> None:
    assert vary(LONG, np.random.default_rng(0), 0.0) == LONG


def test_up_to_the_share_changes() -> None:
    changes = [
        np.mean([a != b for a, b in zip(LONG.sequence, varied.sequence, strict=True)])
        for seed in range(20)
        for varied in [vary(LONG, np.random.default_rng(seed), 0.5)]
    ]
    assert 0.3 < max(changes) < 0.5  # some redrawn letters are what they were
    assert min(changes) < 0.1


def test_the_rest_of_the_record_stays() -> None:
    varied = vary(record("GAAAC", (0, 4)), np.random.default_rng(3), 1.0)
    assert (varied.id, varied.source, varied.cluster) == ("rna", "bprna", 7)
