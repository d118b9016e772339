"""Batches: repeatable, bounded, weighted, and longer as a run goes on."""

from itertools import islice

import pytest
from dataset_makers import hairpin, record, rna

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import DatasetError
from rnaformer_cli.training.batches.config import BatchConfig
from rnaformer_cli.training.batches.sampling import (
    ROUND_RECORDS,
    BatchStream,
    Position,
    record_weights,
)

RECORDS = [hairpin(f"s{n}", 8, n) for n in range(30)] + [hairpin(f"l{n}", 60, n) for n in range(30)]
CONFIG = BatchConfig(max_cells=40_000, lengths=(50, 200), computed_fraction=0.0)


def ids(stream, count, position=None, progress=1.0):
    drawn = islice(stream.batches(position or Position(), progress), count)
    return [[one.id for one in batch] for batch, _ in drawn]


def test_the_stream_repeats_for_a_seed():
    assert ids(BatchStream(RECORDS, CONFIG, 1), 30) == ids(BatchStream(RECORDS, CONFIG, 1), 30)
    assert ids(BatchStream(RECORDS, CONFIG, 1), 30) != ids(BatchStream(RECORDS, CONFIG, 2), 30)


def test_the_stream_goes_on_from_any_position():
    source = BatchStream(RECORDS, CONFIG, 1).batches(Position(), 1.0)
    drawn = list(islice(source, 200))
    assert drawn[-1][1].round > 0
    for place in (0, 5, 150):
        rest = ids(BatchStream(RECORDS, CONFIG, 1), 20, drawn[place][1])
        assert rest == [[one.id for one in batch] for batch, _ in drawn[place + 1 : place + 21]]


def test_batches_stay_within_their_cells():
    for batch, _ in islice(BatchStream(RECORDS, CONFIG, 1).batches(Position(), 1.0), 200):
        assert len(batch) == 1 or len(batch) * max(map(len, batch)) ** 2 <= 40_000


def test_batches_hold_similar_lengths():
    drawn = islice(BatchStream(RECORDS, CONFIG, 1).batches(Position(), 1.0), 50)
    mixed = [batch for batch, _ in drawn if len({len(one) for one in batch}) > 1]
    assert len(mixed) <= 2  # where the long ones of a round end


def test_records_grow_longer_as_the_run_goes_on():
    stream = BatchStream(RECORDS, CONFIG, 1)
    assert {name[0] for batch in ids(stream, 30, progress=0.4) for name in batch} == {"s"}
    later = ids(BatchStream(RECORDS, CONFIG, 1), 60, progress=0.6)
    assert {name[0] for batch in later for name in batch} == {"s", "l"}


def test_a_round_that_was_begun_keeps_its_length_limit():
    stream = BatchStream(RECORDS, CONFIG, 1)
    first = ids(stream, 1, progress=0.4)
    assert ids(stream, 1, progress=0.9) == first
    assert stream.round_limit == 50


def test_a_resumed_round_is_the_one_that_was_begun():
    stream = BatchStream(RECORDS, CONFIG, 1)
    begun = ids(stream, 3, progress=0.4)
    resumed = BatchStream(RECORDS, CONFIG, 1)
    resumed.resume(Position(), stream.round_limit)
    assert ids(resumed, 3, progress=0.9) == begun


def test_computed_labels_have_their_share():
    computed = [hairpin(f"c{n}", 8, n, source="rnafold") for n in range(5)]
    config = BatchConfig(lengths=(50,), computed_fraction=0.25)
    stream = BatchStream([*RECORDS, *computed], config, 1)
    names = []
    for batch, position in stream.batches(Position(), 0.0):
        if position.round:
            break
        names += [one.id[0] for one in batch]
    assert len(names) == ROUND_RECORDS
    assert names.count("c") == ROUND_RECORDS // 4


def test_large_clusters_are_drawn_less_than_their_size():
    records = [record(f"{n}", rna(50, n), cluster=int(n >= 16)) for n in range(17)]
    weights = record_weights(records, BatchConfig(cluster_exponent=0.5))
    assert weights[16] == 1.0
    assert weights[:16].sum() == pytest.approx(4.0)  # 16 ** 0.5


def test_sources_and_lengths_have_their_weights():
    records = [
        record("a", rna(50, 1), source="rfam-predicted"),
        record("b", rna(200, 1)),
        record("c", rna(50, 2)),
    ]
    assert record_weights(records, BatchConfig()).tolist() == [0.5, 0.5, 1.0]


def test_nothing_short_enough_is_refused():
    with pytest.raises(DatasetError, match=r"^no record of at most 10 bases to train on$"):
        BatchStream(RECORDS, BatchConfig(lengths=(10, 200)), 1)


def test_a_share_of_the_curated_records_is_varied_the_same_way_every_time() -> None:
    labelled = [LabelledRecord(f"r{i}", "GGGAAACCC", ((0, 8),), "bprna") for i in range(50)]
    computed = [LabelledRecord(f"c{i}", "GGGAAACCC", ((0, 8),), "rnafold") for i in range(50)]
    config = BatchConfig(
        max_cells=400, lengths=(100,), augmented_fraction=0.5, max_mutation_rate=1.0
    )
    stream = BatchStream([*labelled, *computed], config, seed=1)

    def drawn() -> list[LabelledRecord]:
        return [r for batch, _ in islice(stream.batches(Position(), 0.0), 80) for r in batch]

    records = drawn()
    assert records == drawn()
    assert {r.sequence for r in records if not r.is_curated} == {"GGGAAACCC"}
    varied = [r.sequence != "GGGAAACCC" for r in records if r.is_curated]
    assert 0.35 < sum(varied) / len(varied) < 0.55
