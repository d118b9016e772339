"""Sizes as people write them, and what is free."""

import pytest
import torch

from rnaformer_cli.errors import ConfigError
from rnaformer_cli.prediction.memory import format_size, free_bytes, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("123", 123), ("2K", 2048), ("1.5M", 1_572_864), ("4G", 4 * 2**30), ("4 GiB", 4 * 2**30)],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "4X", "4 apples"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ConfigError) as caught:
        parse_size(text)
    message = f"{text!r} is no size; expected a number of bytes, or 500M, 4G"
    assert str(caught.value) == message


def test_some_memory_is_free():
    free = free_bytes(torch.device("cpu"))
    assert free is None or free > 2**20


def test_sizes_are_told_in_units_of_their_own():
    assert format_size(3 * 2**29) == "1.5 GiB"
    assert format_size(40_000_000) == "38 MiB"
