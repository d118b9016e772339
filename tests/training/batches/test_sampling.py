"""Batches: reproducible, bounded, weighted, with longer records later in a run."""

from itertools import islice

import pytest
from factories.datasets import make_hairpin, make_record, random_rna

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import DatasetError
from rnaformer_cli.training.batches.config import BatchConfig
from rnaformer_cli.training.batches.sampling import (
    ROUND_RECORDS,
    BatchStream,
    StreamPosition,
    record_weights,
)

RECORDS = [make_hairpin(f"s{n}", 8, n) for n in range(30)] + [
    make_hairpin(f"l{n}", 60, n) for n in range(30)
]
CONFIG = BatchConfig(max_cells=40_000, lengths=(50, 200), computed_fraction=0.0)


def ids(stream, count, position=None, progress=1.0):
    sampled = islice(stream.batches(position or StreamPosition(), progress), count)
    return [[one.id for one in batch] for batch, _ in sampled]


def test_the_stream_repeats_for_a_seed():
    assert ids(BatchStream(RECORDS, CONFIG, 1), 30) == ids(BatchStream(RECORDS, CONFIG, 1), 30)
    assert ids(BatchStream(RECORDS, CONFIG, 1), 30) != ids(BatchStream(RECORDS, CONFIG, 2), 30)


def test_the_stream_continues_from_any_position():
    source = BatchStream(RECORDS, CONFIG, 1).batches(StreamPosition(), 1.0)
    sampled = list(islice(source, 200))
    assert sampled[-1][1].round > 0
    for place in (0, 5, 150):
        rest = ids(BatchStream(RECORDS, CONFIG, 1), 20, sampled[place][1])
        assert rest == [[one.id for one in batch] for batch, _ in sampled[place + 1 : place + 21]]


def test_batches_stay_within_their_cells():
    for batch, _ in islice(BatchStream(RECORDS, CONFIG, 1).batches(StreamPosition(), 1.0), 200):
        assert len(batch) == 1 or len(batch) * max(map(len, batch)) ** 2 <= 40_000


def test_batches_hold_similar_lengths():
    sampled = islice(BatchStream(RECORDS, CONFIG, 1).batches(StreamPosition(), 1.0), 50)
    mixed = [batch for batch, _ in sampled if len({len(one) for one in batch}) > 1]
    assert len(mixed) <= 2  # where the long ones of a round end


def test_the_length_limit_grows_with_progress():
    stream = BatchStream(RECORDS, CONFIG, 1)
    assert {name[0] for batch in ids(stream, 30, progress=0.4) for name in batch} == {"s"}
    later = ids(BatchStream(RECORDS, CONFIG, 1), 60, progress=0.6)
    assert {name[0] for batch in later for name in batch} == {"s", "l"}


def test_a_round_that_has_begun_keeps_its_length_limit():
    stream = BatchStream(RECORDS, CONFIG, 1)
    first = ids(stream, 1, progress=0.4)
    assert ids(stream, 1, progress=0.9) == first
    assert stream.round_limit == 50


def test_a_resumed_round_is_the_same():
    stream = BatchStream(RECORDS, CONFIG, 1)
    begun = ids(stream, 3, progress=0.4)
    resumed = BatchStream(RECORDS, CONFIG, 1)
    resumed.resume(StreamPosition(), stream.round_limit)
    assert ids(resumed, 3, progress=0.9) == begun


def test_computed_labels_have_their_fraction():
    computed = [make_hairpin(f"c{n}", 8, n, source="rnafold") for n in range(5)]
    config = BatchConfig(lengths=(50,), computed_fraction=0.25)
    stream = BatchStream([*RECORDS, *computed], config, 1)
    names = []
    for batch, position in stream.batches(StreamPosition(), 0.0):
        if position.round:
            break
        names += [one.id[0] for one in batch]
    assert len(names) == ROUND_RECORDS
    assert names.count("c") == ROUND_RECORDS // 4


def test_the_weight_of_clusters_grows_more_slowly_than_their_size():
    records = [make_record(f"{n}", random_rna(50, n), cluster=int(n >= 16)) for n in range(17)]
    weights = record_weights(records, BatchConfig(cluster_exponent=0.5))
    assert weights[16] == 1.0
    assert weights[:16].sum() == pytest.approx(4.0)  # 16 ** 0.5


def test_sources_and_lengths_have_their_weights():
    records = [
        make_record("a", random_rna(50, 1), source="rfam-predicted"),
        make_record("b", random_rna(200, 1)),
        make_record("c", random_rna(50, 2)),
    ]
    assert record_weights(records, BatchConfig()).tolist() == [0.5, 0.5, 1.0]


def test_nothing_short_enough_is_refused():
    with pytest.raises(DatasetError, match=r"^no record of at most 10 bases to train on$"):
        BatchStream(RECORDS, BatchConfig(lengths=(10, 200)), 1)


def test_a_fraction_of_curated_records_is_augmented_reproducibly() -> None:
    labelled = [LabelledRecord(f"r{i}", "GGGAAACCC", ((0, 8),), "bprna") for i in range(50)]
    computed = [LabelledRecord(f"c{i}", "GGGAAACCC", ((0, 8),), "rnafold") for i in range(50)]
    config = BatchConfig(
        max_cells=400, lengths=(100,), augmented_fraction=0.5, max_mutation_rate=1.0
    )
    stream = BatchStream([*labelled, *computed], config, seed=1)

    def sampled() -> list[LabelledRecord]:
        return [r for batch, _ in islice(stream.batches(StreamPosition(), 0.0), 80) for r in batch]

    records = sampled()
    assert records == sampled()
    assert {r.sequence for r in records if not r.is_curated} == {"GGGAAACCC"}
    augmented = [r.sequence != "GGGAAACCC" for r in records if r.is_curated]
    assert 0.35 < sum(augmented) / len(augmented) < 0.55
