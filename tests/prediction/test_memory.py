"""Sizes as people write them, and what is free."""

import pytest
import torch

from rnaformer_cli.errors import ConfigError
from rnaformer_cli.prediction.memory import container_bytes, format_size, free_bytes, parse_size


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


def group(folder, names, limit, used, stat):
    for name, text in zip(names, (limit, used, stat), strict=True):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


V2 = ("memory.max", "memory.current", "memory.stat")
V1 = ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat")


@pytest.mark.parametrize(
    ("names", "limit", "used", "stat", "left"),
    [
        (V2, "1000\n", "400\n", "anon 300\ninactive_file 100\n", 700),
        (V2, "1000\n", "1400\n", "", 0),
        (V2, "max\n", "400\n", "", None),
        (V1, "1000\n", "400\n", "total_inactive_file 50\n", 650),
        (V1, "9223372036854771712\n", "400\n", "", None),
    ],
)
def test_a_container_may_have_less_memory(tmp_path, names, limit, used, stat, left):
    group(tmp_path, names, limit, used, stat)
    assert container_bytes(tmp_path) == left


def test_without_control_groups_nothing_is_said_of_a_container(tmp_path):
    assert container_bytes(tmp_path) is None
