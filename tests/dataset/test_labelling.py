"""Sequences to label, and labels that ViennaRNA makes."""

import gzip
import multiprocessing
import os
import signal
import sys

import pytest
from factories.datasets import make_record, random_rna

from rnaformer_cli.dataset.labelling import (
    Recipe,
    label_file,
    label_mfe,
    label_probabilities,
    label_records,
    make_sequences,
)
from rnaformer_cli.dataset.records import read_dataset, record_to_json, write_dataset
from rnaformer_cli.errors import DatasetError, DependencyError, OutputError

HAIRPIN = make_record("h", "GGGGCGAAAGCCCC")
PAIRS = ((0, 13), (1, 12), (2, 11), (3, 10), (4, 9))


def kinds(recipe, count=30):
    origins = [make_record(f"r{n}", random_rna(90, n), cluster=n // 3) for n in range(12)]
    return origins, list(make_sequences(origins, count, seed=1, recipe=recipe))


def test_made_sequences_repeat_for_a_seed():
    origins = [make_record("a", random_rna(90, 1))]
    first = list(make_sequences(origins, 20, seed=3))
    assert list(make_sequences(origins, 20, seed=3)) == first
    assert list(make_sequences(origins, 20, seed=4)) != first


def test_whole_sequences_are_those_of_the_set():
    origins, made = kinds(Recipe(whole=1, window=0, shuffled=0, random=0))
    assert {one.sequence for one in made} <= {one.sequence for one in origins}


def test_windows_are_parts_of_the_set():
    origins, made = kinds(Recipe(whole=0, window=1, shuffled=0, random=0, max_lengths=(50,)))
    assert all(any(one.sequence in origin.sequence for origin in origins) for one in made)
    assert {len(one) for one in made} <= set(range(30, 51))


def test_shuffled_parts_keep_their_letters():
    _, made = kinds(Recipe(whole=0, window=0, shuffled=1, random=0, max_lengths=(200,)))
    whole = [one for one in made if len(one) == 90]
    origin_letters = {"".join(sorted(random_rna(90, n))) for n in range(12)}
    assert whole
    assert all("".join(sorted(one.sequence)) in origin_letters for one in whole)


def test_random_sequences_have_random_letters():
    origins, made = kinds(Recipe(whole=0, window=0, shuffled=0, random=1))
    letters = {"".join(sorted(one.sequence)) for one in made}
    assert not letters & {"".join(sorted(origin.sequence)) for origin in origins}


def test_nothing_to_draw_from_is_refused():
    with pytest.raises(DatasetError, match=r"^no record to draw sequences from$"):
        list(make_sequences([], 1, seed=0))


def test_the_minimum_free_energy_structure_is_the_label():
    [labelled] = label_records([HAIRPIN], "mfe")
    assert labelled.pairs == PAIRS
    assert (labelled.source, labelled.is_curated, labelled.probabilities) == (
        "rnafold",
        False,
        None,
    )


def test_probabilities_agree_with_the_structure_of_a_stable_hairpin():
    labelled = label_probabilities(HAIRPIN)
    table = {(left, right): value for left, right, value in labelled.probabilities}
    assert labelled.pairs == PAIRS
    assert all(table[pair] > 0.8 for pair in PAIRS[:4])


def test_several_processes_give_the_same_labels_in_order():
    records = [make_record(f"r{n}", random_rna(40, n)) for n in range(5)]
    assert list(label_records(records, "mfe", jobs=2)) == list(label_records(records, "mfe"))


def test_a_stopped_run_is_resumed_with_the_same_result(tmp_path):
    source, target = tmp_path / "in.jsonl.gz", tmp_path / "out.jsonl.gz"
    write_dataset(source, [make_record(f"r{n}", random_rna(40, n)) for n in range(6)])
    label_file(source, target, "mfe")
    whole = target.read_bytes()
    target.unlink()

    lines = _lines(whole)
    part = tmp_path / "out.jsonl.gz.part"
    part.write_text("".join(lines[:3]) + lines[3][:20])  # killed while writing the fourth
    counts = []
    assert label_file(source, target, "mfe", on_record=counts.append) == 6
    assert counts == [3, 4, 5, 6]
    assert target.read_bytes() == whole
    assert not part.exists()


def _lines(data):
    return gzip.decompress(data).decode().splitlines(keepends=True)


def test_labels_can_be_trained_on(tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    write_dataset(source, [HAIRPIN])
    label_file(source, target, "probabilities")
    [labelled] = read_dataset(target)
    assert labelled == label_probabilities(HAIRPIN)


def test_the_error_for_a_missing_viennarna_has_the_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "RNA", None)  # makes the import fail
    with pytest.raises(DependencyError) as caught:
        list(label_records([HAIRPIN], "mfe"))
    assert str(caught.value) == "labels need ViennaRNA: pip install '.[label]' in a checkout"


def test_records_of_one_name_are_all_labelled_after_a_stop(tmp_path):
    source, target = tmp_path / "in.jsonl.gz", tmp_path / "out.jsonl.gz"
    write_dataset(source, [HAIRPIN, make_record("h", "GGGGAAAACCCC")])
    (tmp_path / "out.jsonl.gz.part").write_text(record_to_json(label_mfe(HAIRPIN)))
    assert label_file(source, target, "mfe") == 2
    assert [len(labelled) for labelled in read_dataset(target)] == [14, 12]


@pytest.mark.parametrize(
    "begun",
    [
        record_to_json(label_mfe(HAIRPIN)),  # other labels
        record_to_json(label_probabilities(make_record("other", "GGGGAAAACCCC"))),
        record_to_json(label_probabilities(HAIRPIN)) * 2,
        "not a record\n",
    ],
)
def test_the_partial_output_of_another_run_is_refused(tmp_path, begun):
    source, target = tmp_path / "in.jsonl.gz", tmp_path / "out.jsonl.gz"
    write_dataset(source, [HAIRPIN])
    part = tmp_path / "out.jsonl.gz.part"
    part.write_text(begun)
    with pytest.raises(DatasetError) as caught:
        label_file(source, target, "probabilities")
    message = "does not begin with the labels of these records; remove it to start again"
    assert str(caught.value) == f"{part}: {message}"
    assert part.read_text() == begun


def test_mutants_differ_from_a_whole_sequence_in_one_base():
    origins, made = kinds(Recipe().only(["mutant"]))
    for mutant in made:
        changes = [
            sum(a != b for a, b in zip(mutant.sequence, origin.sequence, strict=True))
            for origin in origins
        ]
        assert min(changes) == 1


def test_a_recipe_can_be_cut_down_to_some_kinds():
    assert Recipe().only(["shuffled", "random"]) == Recipe(whole=0.0, window=0.0)


def test_a_killed_process_ends_the_run_with_a_message():
    """`multiprocessing.Pool` waited for ever for the records of a process that was killed."""
    records = [make_record(f"r{n}", random_rna(400, n)) for n in range(200)]
    labelled = label_records(records, "probabilities", jobs=2)
    next(labelled)
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
    with pytest.raises(DatasetError) as caught:
        list(labelled)
    message = "a worker process was killed; repeat the command to continue"
    assert str(caught.value) == message
    assert not multiprocessing.active_children()


def test_a_second_run_into_the_same_file_is_refused(tmp_path):
    source, target = tmp_path / "in.jsonl.gz", tmp_path / "out.jsonl.gz"
    write_dataset(source, [make_record(f"r{n}", random_rna(40, n)) for n in range(3)])

    def start_again(_):
        with pytest.raises(OutputError) as caught:
            label_file(source, target, "mfe")
        message = "is being written by another run; wait until it ends"
        assert str(caught.value) == f"{target}: {message}"

    assert label_file(source, target, "mfe", on_record=start_again) == 3
    assert [record.id for record in read_dataset(target)] == ["r0", "r1", "r2"]
    assert label_file(source, target, "mfe") == 3


def test_each_unknown_base_becomes_a_base_of_its_own():
    whole = Recipe().only(["whole"])
    [made] = make_sequences([make_record("n", "GN" * 30)], 1, 0, whole)
    assert set(made.sequence[::2]) == {"G"}
    assert set(made.sequence[1::2]) == set("ACGU")
    [kept] = make_sequences([make_record("n", "ACGU" * 9)], 1, 0, whole)
    assert kept.sequence == "ACGU" * 9
