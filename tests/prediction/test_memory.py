"""Sizes as people write them, and what is free."""

import pytest
import torch

from rnaformer_cli.errors import ConfigError
from rnaformer_cli.prediction.memory import cgroup_free_bytes, format_size, free_bytes, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("123", 123), ("2K", 2048), ("1.5M", 1_572_864), ("4G", 4 * 2**30), ("4 GiB", 4 * 2**30)],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "4X", "4 apples", "9" * 400, "٣"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ConfigError) as caught:
        parse_size(text)
    message = f"{text!r} is not a size; expected a number of bytes, 500M or 4G"
    assert str(caught.value) == message


def test_some_memory_is_free():
    free = free_bytes(torch.device("cpu"))
    assert free is None or free > 2**20


def test_sizes_are_printed_in_suitable_units():
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
        (V1, "1000\n", "400\n", "inactive_file 1\ntotal_inactive_file 50\n", 650),
        (V2, "1000\n", "400\n", "no numbers\n", 600),
        (V1, "9223372036854771712\n", "400\n", "", None),
    ],
)
def test_a_container_may_have_less_memory(tmp_path, names, limit, used, stat, left):
    group(tmp_path, names, limit, used, stat)
    assert cgroup_free_bytes(tmp_path, tmp_path / "none") == left


def test_a_limit_holds_where_the_cache_size_is_unknown(tmp_path):
    group(tmp_path, V2, "1000\n", "400\n", "")
    (tmp_path / "memory.stat").unlink()
    assert cgroup_free_bytes(tmp_path, tmp_path / "none") == 600


def test_without_control_groups_no_container_is_mentioned(tmp_path):
    assert cgroup_free_bytes(tmp_path, tmp_path / "none") is None


@pytest.mark.parametrize(
    ("table", "left"),
    [
        ("0::/slurm/job_7/step_0\n", 300),  # of the job, which the step is in
        ("0::/slurm/job_8\n", 600),  # no such group here: of the whole
        ("0::/\n", 600),
        ("0::/../elsewhere\n", 600),
        ("4:memory:/docker/abc\n3:cpu,cpuacct:/x\n0::/\n", 50),
        ("5:cpu,memory:/docker/abc\n", 50),
        ("4:memory:/docker/none\n", 600),
        ("no table\n", 600),
    ],
)
def test_the_tightest_group_that_a_process_is_in_counts(tmp_path, table, left):
    group(tmp_path, V2, "1000\n", "400\n", "")
    group(tmp_path / "slurm" / "job_7", V2, "500\n", "200\n", "")
    group(tmp_path / "slurm" / "job_7" / "step_0", V2, "max\n", "200\n", "")
    names = [name.removeprefix("memory/") for name in V1]
    group(tmp_path / "memory" / "docker" / "abc", names, "100\n", "50\n", "")
    (tmp_path / "table").write_text(table)
    assert cgroup_free_bytes(tmp_path, tmp_path / "table") == left
