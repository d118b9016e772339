"""Batches: bounded, complete, longest first."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from rnaformer_cli.prediction.batching import (
    FIRST_WINDOW_RECORDS,
    WINDOW_RECORDS,
    make_batches,
    read_windows,
    to_tensors,
)
from rnaformer_cli.sequence.record import RnaRecord

LENGTHS = st.lists(st.integers(1, 300), max_size=40)


@given(LENGTHS, st.integers(1, 200_000))
def test_each_record_is_in_one_batch(lengths, max_cells):
    batches = make_batches(lengths, max_cells)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))


@given(LENGTHS, st.integers(1, 200_000))
def test_batches_of_several_records_stay_within_max_cells(lengths, max_cells):
    for batch in make_batches(lengths, max_cells):
        cells = len(batch) * max(lengths[index] for index in batch) ** 2
        assert len(batch) == 1 or cells <= max_cells


@given(LENGTHS)
def test_the_longest_come_first(lengths):
    order = [lengths[index] for batch in make_batches(lengths, 10_000) for index in batch]
    assert order == sorted(lengths, reverse=True)


def test_batches_by_hand():
    assert make_batches([10, 30, 20, 20], max_cells=800) == [[1], [2, 3], [0]]


def test_windows_keep_order_and_read_no_further_than_needed():
    read = []

    def records():
        for index in range(2 * WINDOW_RECORDS):
            read.append(index)
            yield RnaRecord(str(index), "A")

    windows = read_windows(records())
    first = next(windows)
    assert [record.id for record in first] == [str(index) for index in range(FIRST_WINDOW_RECORDS)]
    assert len(read) == FIRST_WINDOW_RECORDS
    rest = [record.id for window in windows for record in window]
    assert rest == [str(index) for index in range(FIRST_WINDOW_RECORDS, 2 * WINDOW_RECORDS)]


def test_windows_grow_to_their_limit():
    sizes = [len(window) for window in read_windows([RnaRecord("r", "A")] * 700)]
    assert sizes == [8, 32, 128, 256, 256, 20]


def test_a_window_is_bounded_by_its_cells_too():
    long = [RnaRecord(str(index), "A" * 3000) for index in range(3)]
    assert [len(window) for window in read_windows(long)] == [2, 1]


def test_no_record_makes_no_window():
    assert list(read_windows([])) == []


def test_tensors_are_padded_to_the_longest():
    bases, is_base = to_tensors(["ACGUN", "GU"])
    assert bases.tolist() == [[0, 1, 2, 3, 4], [2, 3, 4, 4, 4]]
    assert torch.equal(is_base.sum(1), torch.tensor([5, 2]))
