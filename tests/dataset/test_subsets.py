"""Random subsets: whole clusters, nested fractions, at most so many records."""

import pytest
from factories.datasets import make_record

from rnaformer_cli.dataset.subsets import choose_subset
from rnaformer_cli.errors import DatasetError

RECORDS = [make_record(f"r{n}", "ACGU" * (1 + n % 3), cluster=n // 4) for n in range(40)]


def test_a_fraction_keeps_whole_clusters():
    chosen = choose_subset(RECORDS, fraction=0.3)
    clusters = {record.cluster for record in chosen}
    assert len(clusters) == 3
    assert chosen == [record for record in RECORDS if record.cluster in clusters]


def test_a_smaller_fraction_is_a_subset_of_a_larger_one():
    small, large = (set(choose_subset(RECORDS, fraction, seed=5)) for fraction in (0.2, 0.5))
    assert small < large


def test_a_fraction_is_rounded_up():
    assert len({record.cluster for record in choose_subset(RECORDS, fraction=0.01)}) == 1
    assert len({record.cluster for record in choose_subset(RECORDS, fraction=0.31)}) == 4


def test_records_without_a_cluster_are_clusters():
    records = [make_record(f"r{n}", "ACGU") for n in range(10)]
    assert len(choose_subset(records, fraction=0.5)) == 5


def test_a_count_draws_single_records_in_file_order():
    chosen = choose_subset(RECORDS, count=7, max_length=4)
    assert [record.id for record in chosen] == sorted(
        (record.id for record in chosen), key=lambda name: int(name[1:])
    )
    assert (len(chosen), {len(record) for record in chosen}) == (7, {4})
    assert choose_subset(RECORDS, count=99) == RECORDS


def test_the_seed_chooses():
    one, two = (choose_subset(RECORDS, fraction=0.3, seed=seed) for seed in (1, 2))
    assert one != two


def test_nothing_to_choose_from_is_reported():
    with pytest.raises(DatasetError) as caught:
        choose_subset(RECORDS, max_length=3)
    assert str(caught.value) == "no record of at most 3 bases to choose from"
