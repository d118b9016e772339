"""Splits: everything is somewhere once, and no relatives are apart."""

import random
import sys

import pytest
from factories.datasets import make_record, mutate, random_rna

from rnaformer_cli.dataset.splitting import check_leaks, split
from rnaformer_cli.errors import DatasetError


@pytest.fixture(autouse=True)
def no_cdhit(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")


def relatives(families=30, members=4):
    """Families of relatives; two families to a clan."""
    made = []
    for family in range(families):
        for member in range(members):
            sequence = mutate(random_rna(70, family), 0.08, 100 * family + member)
            name = f"f{family}m{member}"
            made.append(make_record(name, sequence, family=f"RF{family}", clan=f"CL{family // 2}"))
    random.Random(0).shuffle(made)
    return made


@pytest.mark.parametrize("by", ["identity", "family"])
def test_every_record_is_in_one_part(by):
    records = relatives()
    parts, _ = split(records, {"val": 0.1, "test": 0.2}, by)
    assert sorted(r.id for part in parts.values() for r in part) == sorted(r.id for r in records)
    assert len(parts["val"]) >= 0.1 * len(records)
    assert 0.2 * len(records) <= len(parts["test"]) < 0.3 * len(records)


def test_families_and_clans_stay_together():
    parts, method = split(relatives(), {"val": 0.1, "test": 0.2}, "family")
    clans = [{record.clan for record in part} for part in parts.values()]
    assert not clans[0] & clans[1]
    assert not clans[0] & clans[2]
    assert method.startswith("exact comparison and shared 8-mers")


def test_relatives_stay_together_without_names_of_families():
    records = [make_record(r.id, r.sequence) for r in relatives()]
    parts, _ = split(records, {"test": 0.3}, "identity")
    families = [{r.id.split("m")[0] for r in part} for part in parts.values()]
    assert not families[0] & families[1]


def test_a_seed_repeats_a_split_and_another_changes_it():
    def ids(seed):
        parts, _ = split(relatives(), {"test": 0.2}, "family", seed)
        return [record.id for record in parts["test"]]

    assert ids(1) == ids(1)
    assert ids(1) != ids(2)


def test_a_leak_is_refused_and_named():
    train = [make_record("t", random_rna(80, 1), family="RF1")]
    test = [make_record("u", random_rna(80, 2), family="RF1")]
    with pytest.raises(DatasetError) as caught:
        check_leaks(train, test, "test")
    message = "test is related to the training set: u like t: the same family"
    assert str(caught.value) == message
    assert check_leaks(train, test, "test", by="identity").startswith("exact")


def test_many_leaks_are_counted():
    train = [make_record("t", random_rna(80, 1), family="RF1")]
    test = [make_record(f"u{n}", random_rna(80, 10 + n), family="RF1") for n in range(7)]
    with pytest.raises(DatasetError, match=r"u4 like t: the same family and 2 more$"):
        check_leaks(train, test, "test")


FAKE_CDHIT = """\
#!{python}
import sys
from pathlib import Path
values = dict(zip(sys.argv[1::2], sys.argv[2::2]))
train, test = (Path(values[name]).read_text().split() for name in ("-i", "-i2"))
clusters = []
for number, one in enumerate(train[1::2]):
    clusters += [f">Cluster {{number}}", f"0\\t9nt, >{{number}}... *"]
    for index, other in enumerate(test[1::2]):
        if one[:2] == other[:2]:
            clusters.append(f"1\\t9nt, >{{index}}... at +/90.00%")
Path(values["-o"] + ".clstr").write_text("\\n".join(clusters) + "\\n")
"""


def test_records_that_only_the_check_finds_similar_are_put_together(tmp_path, monkeypatch):
    program = tmp_path / "cd-hit-est-2d"  # finds sequences similar that begin with the same letters
    program.write_text(FAKE_CDHIT.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    records = [make_record(f"r{n}", random_rna(11 + n % 7, n)) for n in range(100)]
    for seed in range(3):
        parts, method = split(records, {"val": 0.1, "test": 0.1}, "identity", seed)
        starts = [{record.sequence[:2] for record in part} for part in parts.values()]
        assert method == "cd-hit-est-2d -c 0.8"
        assert not starts[0] & (starts[1] | starts[2])
        assert sorted(r.id for part in parts.values() for r in part) == sorted(
            r.id for r in records
        )


@pytest.mark.parametrize("fractions", [{"test": 0.0}, {"val": 0.5, "test": 0.5}, {"test": -0.1}])
def test_fractions_that_leave_no_training_set_are_refused(fractions):
    with pytest.raises(DatasetError) as caught:
        split(relatives(2), fractions, "family")
    expected = "the fractions of validation and test must be positive, and their sum below 1"
    assert str(caught.value) == expected


def test_a_family_larger_than_a_fraction_stays_in_training():
    small = [make_record(f"s{n}", random_rna(70, n), family=f"RF{n}") for n in range(20)]
    large = [make_record(f"l{n}", random_rna(70, 100 + n), family="large") for n in range(20)]
    for seed in range(5):
        parts, _ = split(small + large, {"val": 0.1, "test": 0.1}, "family", seed)
        assert [len(parts[name]) for name in ("train", "val", "test")] == [32, 4, 4]


def test_a_set_of_one_family_cannot_be_split():
    records = [make_record(f"r{n}", random_rna(70, n), family="RF1") for n in range(9)]
    with pytest.raises(DatasetError) as caught:
        split(records, {"test": 0.2}, "family")
    assert str(caught.value) == "no group of related records is small enough for test"


def test_versions_of_a_family_stay_together():
    records = [
        make_record(f"f{n}v{version}", random_rna(70, 2 * n + version), family=f"RF0000{n}{name}")
        for n in range(9)
        for version, name in enumerate(["", ".7"])
    ]
    parts, _ = split(records, {"test": 0.4}, "family")
    families = [{record.id[:2] for record in part} for part in parts.values()]
    assert not families[0] & families[1]


def test_an_empty_set_is_not_split():
    """It passed as one without leaks."""
    with pytest.raises(DatasetError, match=r"^no record to split$"):
        split([], {"test": 0.2}, "family")
