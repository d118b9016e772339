"""Which sequences are relatives."""

import os
import time

import pytest
from factories.datasets import make_record, mutate, random_rna

from rnaformer_cli.dataset.similarity import (
    CDHIT,
    KmerIndex,
    Leak,
    cluster_by_similarity,
    find_leaks,
    kmers,
)
from rnaformer_cli.errors import DatasetError


@pytest.fixture
def no_cdhit(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")


def test_windows_of_a_short_sequence_are_the_sequence():
    assert kmers("ACG") == {"ACG"}
    assert kmers("ACGUACGUAC") == {"ACGUACGU", "CGUACGUA", "GUACGUAC"}


@pytest.mark.parametrize("length", [60, 120, 400])
def test_related_sequences_are_similar_and_unrelated_ones_are_not(length):
    index = KmerIndex()
    for seed in range(20):
        index.add(random_rna(length, seed))
    for seed in range(20):
        assert list(index.find_similar(mutate(random_rna(length, seed), 0.12, seed))) == [seed]
        assert list(index.find_similar(random_rna(length, 1000 + seed))) == []


def test_a_part_is_similar_to_the_whole():
    index = KmerIndex()
    index.add(random_rna(300, 1))
    assert list(index.find_similar(random_rna(300, 1)[100:180])) == [0]


def test_groups_hold_relatives_and_relatives_of_relatives():
    one, other = random_rna(80, 1), random_rna(80, 2)
    joined = one + other  # similar to both, so all three are one group
    groups = cluster_by_similarity([one, other, joined, random_rna(80, 3)])
    assert groups[0] == groups[1] == groups[2] != groups[3]


def test_groups_do_not_depend_on_the_order():
    sequences = [mutate(random_rna(90, seed % 4), 0.1, seed) for seed in range(12)]
    groups = cluster_by_similarity(sequences)
    turned = cluster_by_similarity(sequences[::-1])[::-1]
    same = [[a == b for b in groups] for a in groups]
    assert same == [[a == b for b in turned] for a in turned]


def test_copies_families_and_relatives_are_leaks(no_cdhit):
    train = [
        make_record("t1", random_rna(80, 1), family="RF1", clan="CL1"),
        make_record("t2", random_rna(80, 2)),
    ]
    test = [
        make_record("copy", random_rna(80, 2)),
        make_record("family", random_rna(80, 3), family="RF1"),
        make_record("clan", random_rna(80, 4), family="RF2", clan="CL1"),
        make_record("relative", mutate(random_rna(80, 1), 0.1, 5)),
        make_record("unrelated", random_rna(80, 6), family="RF3"),
    ]
    leaks, method = find_leaks(train, test)
    assert [(leak.test, leak.train, leak.reason) for leak in leaks] == [
        ("copy", "t2", "the same sequence"),
        ("family", "t1", "the same family"),
        ("clan", "t1", "the same clan"),
        ("copy", "t2", "at least 10% of 8-mers"),
        ("relative", "t1", "at least 10% of 8-mers"),
    ]
    assert method == "exact comparison and shared 8-mers (cd-hit-est-2d is not installed)"


def install_cdhit(folder, monkeypatch, script):
    """A program of that name: it stands for one that is not installed here."""
    path = folder / CDHIT
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_cdhit_is_used_where_it_is_installed(tmp_path, monkeypatch):
    # The second test record is like the training record.
    script = "while [ $# -gt 0 ]; do case $1 in -o) out=$2;; esac; shift; done\n"
    cluster = r">Cluster 0\n0\t50nt, >0... *\n1\t50nt, >1... at +/96.00%%\n"
    install_cdhit(tmp_path, monkeypatch, f"{script}printf '{cluster}' > \"$out.clstr\"")
    leaks, method = find_leaks(
        [make_record("t", random_rna(50, 1))],
        [make_record("kept", random_rna(50, 2)), make_record("alike", random_rna(50, 3))],
    )
    assert leaks == [Leak("t", "alike", "identity of 80% (cd-hit-est-2d)")]
    assert method == "cd-hit-est-2d -c 0.8"


def test_a_sequence_that_is_too_long_for_cdhit_is_named(tmp_path, monkeypatch):
    install_cdhit(tmp_path, monkeypatch, "echo 'rebuild the program' >&2; exit 1")
    genome, short = make_record("genome", random_rna(655_360, 1)), make_record("s", "ACGU" * 5)
    message = (
        "record 'genome': 655,360 bases are more than the 655,359 that cd-hit-est-2d compares; "
        "`rnaformer data subset --max-length` leaves out such records"
    )
    for train, test in (([genome], [short]), ([short], [genome])):
        with pytest.raises(DatasetError) as caught:
            find_leaks(train, test)
        assert str(caught.value) == message


def test_a_failing_cdhit_is_reported(tmp_path, monkeypatch):
    install_cdhit(tmp_path, monkeypatch, "echo 'no memory' >&2; exit 1")
    with pytest.raises(DatasetError, match=r"^cd-hit-est-2d failed: no memory$"):
        find_leaks([make_record("t", "ACGU" * 3)], [make_record("u", "GGGG" * 3)])


def test_many_relatives_take_little_time(no_cdhit):
    parent = random_rna(75, 1)
    texts = (
        [parent] * 3000 + [mutate(parent, 0.05, seed) for seed in range(1500)] + [random_rna(75, 2)]
    )
    records = [make_record(str(number), text) for number, text in enumerate(texts)]
    before = time.process_time()
    assert cluster_by_similarity(texts) == [0] * 4500 + [4500]
    leaks, _ = find_leaks(records, records[2999:])
    assert time.process_time() - before < 5  # 40 s, if each is compared with each
    assert {leak.train for leak in leaks if leak.test == "4499"} == {"0", "4499"}


def test_short_records_are_compared_without_cdhit(tmp_path, monkeypatch):
    """CD-HIT leaves out sequences of up to ten bases, which then looked like relatives."""
    script = "while [ $# -gt 0 ]; do case $1 in -i2) in=$2;; -o) out=$2;; esac; shift; done\n"
    install_cdhit(tmp_path, monkeypatch, script + 'cp "$in" "$out"; grep -q . "$in"')
    train = [make_record("t", random_rna(50, 1)), make_record("short", "GGGGGAAAAA")]
    test = [make_record("other", "CCCCCCCC"), make_record("same", "GGGGGAAAAA")]
    leaks, _ = find_leaks(train, test)
    assert [(leak.test, leak.reason) for leak in leaks] == [("same", "the same sequence")]


def test_versions_of_an_accession_are_one_family(no_cdhit):
    train = [make_record("t", random_rna(80, 1), family="RF00005.12")]
    test = [
        make_record("u", random_rna(80, 2), family="RF00005"),
        make_record("v", random_rna(80, 3), family="RF00051"),
    ]
    leaks, _ = find_leaks(train, test)
    assert [(leak.test, leak.reason) for leak in leaks] == [("u", "the same family")]
