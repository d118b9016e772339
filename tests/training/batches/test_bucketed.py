"""Bucketed batches: one latent side, one size for each side, drawn by the weight of records."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from factories.datasets import make_hairpin

from rnaformer_cli.errors import DatasetError
from rnaformer_cli.training.batches.bucketed import MAX_RECORDS, BucketedStream
from rnaformer_cli.training.batches.config import BatchConfig
from rnaformer_cli.training.batches.sampling import StreamPosition

RECORDS = [make_hairpin(f"{stem}-{n}", stem, n) for stem in (5, 6, 8, 40) for n in range(stem)]
RECORDS += [make_hairpin(f"c{n}", 8, 90 + n, source="rnafold") for n in range(5)]
CONFIG = BatchConfig(
    max_cells=4_000, lengths=(30, 100), computed_fraction=0.25, cluster_exponent=1.0
)


def stream_of(**changed):
    return BucketedStream(RECORDS, BatchConfig(**{**CONFIG_VALUES, **changed}), 2, 1)


CONFIG_VALUES = {name: getattr(CONFIG, name) for name in CONFIG.__slots__}


def drawn(stream, count, position=None, progress=1.0):
    return list(islice(stream.buckets(position or StreamPosition(), progress), count))


def test_a_batch_has_one_latent_side_and_the_size_of_this_side():
    stream = stream_of()
    for bucket, _ in drawn(stream, 200):
        sides = {-(-len(stream.records[index]) // 2) for index in bucket.indices}
        assert sides == {bucket.length // 2}
        assert len(bucket.indices) == max(1, 4_000 // bucket.length**2)


def test_short_records_are_bounded_in_number():
    assert stream_of(max_cells=10**9).batch_size(7) == MAX_RECORDS


def test_the_stream_continues_from_any_position():
    sampled = drawn(stream_of(), 150)
    assert sampled[-1][1].round > 0
    for place in (0, 5, 100):
        for (one, _), (other, _) in zip(
            drawn(stream_of(), 20, sampled[place][1]), sampled[place + 1 :], strict=False
        ):
            assert one.length == other.length
            np.testing.assert_array_equal(one.indices, other.indices)


def test_records_are_drawn_by_their_weight():
    """Over sides of other batch sizes, and curated to computed as configured."""
    stream = stream_of(length_exponent=0.0)
    counts = Counter()
    for bucket, _ in drawn(stream, 6_000):
        counts.update(int(index) for index in bucket.indices)
    total = sum(counts.values())
    computed = [n for n, record in enumerate(stream.records) if record.source == "rnafold"]
    assert sum(counts[n] for n in computed) / total == pytest.approx(0.25, abs=0.02)
    each = 0.75 / 59
    for stem in (5, 6, 8, 40):
        own = [n for n, one in enumerate(stream.records) if one.id.startswith(f"{stem}-")]
        assert sum(counts[n] for n in own) / total == pytest.approx(each * stem, rel=0.12)


def test_the_length_limit_grows_with_progress():
    assert {bucket.length for bucket, _ in drawn(stream_of(), 60, progress=0.4)} == {14, 16, 20}
    assert 84 in {bucket.length for bucket, _ in drawn(stream_of(), 200, progress=0.6)}


def test_augmented_copies_take_their_fraction():
    stream = stream_of(augmented_fraction=0.4, computed_fraction=0.0, length_exponent=0.0)
    assert len(stream.records) == len(RECORDS) + 59
    copies = stream.records[len(RECORDS) :]
    assert any(one.sequence != other.sequence for one, other in zip(copies, RECORDS, strict=False))
    counts = Counter()
    for bucket, _ in drawn(stream, 2_000):
        counts.update("copy" if index >= len(RECORDS) else "own" for index in bucket.indices)
    assert counts["copy"] / counts.total() == pytest.approx(0.4, abs=0.03)


def test_no_short_record_is_an_error():
    with pytest.raises(DatasetError, match=r"^no record of at most 10 bases to train on"):
        stream_of(lengths=(10, 100))
