"""Sums over all splits agree with sums of products of matrices, with and without tiles."""

import pytest
import torch

from rnaformer_cli.folding.splits import InsideSplits, MultiloopTable, OutsideSplits

LENGTHS = [40, 256, 299]  # the last two have tiles, one of which is not full


def random_matrices(length, count, batch=2):
    generator = torch.Generator().manual_seed(length)
    shape = (count, batch, length, length)
    return torch.rand(shape, generator=generator, dtype=torch.float64).triu(1)


def fill(table, matrix):
    for span in range(1, table.length):
        table.set_span(span, matrix.diagonal(span, 1, 2))


def tables(count, length, batch=2):
    like = torch.zeros(batch, length, length, dtype=torch.float64)
    return [MultiloopTable(like) for _ in range(count)]


@pytest.mark.parametrize("length", LENGTHS)
def test_inside_sums_are_those_over_all_splits(length):
    matrices = random_matrices(length, 2)
    first, second = tables(2, length)
    splits = InsideSplits(first, second)
    expected = matrices[0][:, :, :-1] @ matrices[1][:, 1:]
    for span in range(1, length):
        sums = splits.sums(span)
        torch.testing.assert_close(sums, expected.diagonal(span, 1, 2))
        for table, matrix in zip((first, second), matrices, strict=True):
            table.set_span(span, matrix.diagonal(span, 1, 2))


@pytest.mark.parametrize("length", LENGTHS)
def test_outside_sums_are_those_over_all_ends(length):
    outer, inner, other = random_matrices(length, 3)
    first, second, third = tables(3, length)
    fill(second, inner)
    fill(third, other)
    rightwards = OutsideSplits(first, second, rightwards=True)
    leftwards = OutsideSplits(first, third, rightwards=False)
    right = outer @ inner[:, 1:].transpose(1, 2)  # [i, k], without the last base k
    left = other[:, :, :-1].transpose(1, 2) @ outer  # [k - 1, j]
    for span in range(length - 1, 0, -1):
        of_right, of_left = rightwards.sums(span), leftwards.sums(span)
        torch.testing.assert_close(of_right[:, :-1], right.diagonal(span, 1, 2))
        assert not of_right[:, -1].any()
        torch.testing.assert_close(of_left[:, 1:], left.diagonal(span + 1, 1, 2))
        assert not of_left[:, 0].any()
        first.set_span(span, outer.diagonal(span, 1, 2))


def test_the_matrix_has_the_sums_by_left_and_right_base():
    [matrix] = random_matrices(300, 1)
    [table] = tables(1, 300)
    fill(table, matrix)
    assert torch.equal(table.matrix(), matrix)
