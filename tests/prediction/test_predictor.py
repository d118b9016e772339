"""Predictions come in the order of the records and do not depend on other records."""

import math
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord
from factories.datasets import random_rna

from rnaformer_cli.errors import ConfigError, DeviceError, SequenceError, WeightsError
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.model.engine import estimate_memory
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.prediction.decoding import MIN_THRESHOLD
from rnaformer_cli.prediction.predictor import (
    Options,
    Prediction,
    Predictor,
    is_out_of_memory,
    load,
    predict,
)
from rnaformer_cli.sequence.record import RnaRecord
from rnaformer_cli.structure.structure import Structure

RECORDS = [
    RnaRecord("short", "GGGAAACCC"),
    RnaRecord("long", "GGGGAUACGUAGCUAGCUAUUCCCC", "a description"),
    RnaRecord("unknown", "NNNNN"),
    RnaRecord("one", "A"),
    RnaRecord("middle", "GCGCAAAAGCGC"),
]


@pytest.fixture
def predictor(tiny_network):
    return Predictor(tiny_network, "tiny", Options(keep_scores=True))


def test_predictions_come_in_input_order(predictor):
    assert [answer.record for answer in predictor.predict(RECORDS)] == RECORDS


def test_prediction_does_not_depend_on_batch_neighbours(tiny_network, predictor):
    together = list(predictor.predict(RECORDS))
    one_by_one = Predictor(tiny_network, "tiny", Options(keep_scores=True, max_cells=1))
    for alone, among in zip(one_by_one.predict(RECORDS), together, strict=True):
        np.testing.assert_allclose(among.scores, alone.scores, atol=2e-6)
        assert among.structure == alone.structure


def test_scores_are_symmetric_probabilities_with_an_empty_diagonal(predictor):
    for answer in predictor.predict(RECORDS):
        scores = answer.scores
        assert scores.dtype == np.float32
        assert scores.shape == (len(answer.record),) * 2
        assert (scores == scores.T).all()
        assert (scores >= 0).all()
        assert (scores <= 1).all()
        assert (np.diagonal(scores) == 0).all()


def test_scores_are_the_sigmoid_of_the_mean_of_both_triangles(predictor, tiny_network):
    [scores] = predictor.score(["GGGAAACCC"])
    codes = torch.tensor([[2, 2, 2, 0, 0, 0, 1, 1, 1]])
    with torch.no_grad():
        directed = tiny_network.directed_logits(codes, torch.ones_like(codes, dtype=torch.bool))[0]
    expected = torch.sigmoid((directed[1, 7] + directed[7, 1]) / 2)
    assert scores[1, 7] == pytest.approx(float(expected), abs=1e-6)


def test_scores_are_kept_only_with_keep_scores(tiny_network):
    [answer] = Predictor(tiny_network, "tiny").predict(RECORDS[:1])
    assert answer.scores is None


def test_pair_scores_are_those_above_min_score(tiny_network):
    options = Options(threshold=0.5, min_score=0.2, keep_scores=True)
    [answer] = Predictor(tiny_network, "tiny", options).predict(RECORDS[1:2])
    left, right = np.nonzero(np.triu(answer.scores, 1) > 0.2)
    assert set(answer.pair_scores) == set(zip(left.tolist(), right.tolist(), strict=True))
    assert answer.structure.pairs <= set(answer.pair_scores)


def test_a_prediction_is_a_structure_record(predictor):
    [answer] = predictor.predict(RECORDS[1:2])
    record = answer.structure_record
    assert (record.id, record.sequence, record.description) == (
        "long",
        RECORDS[1].sequence,
        "a description",
    )
    assert record.structure == answer.structure


def test_options_override_the_weights_config(tiny_network):
    config = tiny_network.config
    ours = Predictor(tiny_network, "tiny", Options(threshold=0.1, cycles=5))
    theirs = Predictor(tiny_network, "tiny")
    assert (ours.threshold, ours.cycles) == (0.1, 5)
    assert (theirs.threshold, theirs.cycles) == (config.threshold, config.cycles)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threshold": math.nan}, "threshold must be a number from 0 to 1, not nan"),
        ({"threshold": "0.5"}, "threshold must be a number from 0 to 1, not '0.5'"),
        ({"min_score": 2}, "min_score must be a number from 0 to 1, not 2"),
        (
            {"decoding": "mfe"},
            "decoding must be one of 'mea', 'matching', 'nested', 'raw', not 'mfe'",
        ),
        ({"like": "rnafold"}, "like must be one of None, 'curated', 'computed', not 'rnafold'"),
        ({"cycles": "often"}, "cycles must be a whole number, not 'often'"),
        ({"cycles": 1.5}, "cycles must be a whole number, not 1.5"),
        ({"alternatives": 0}, "alternatives must be at least 1, not 0"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"max_cells": 0}, "max_cells must be at least 1, not 0"),
        ({"max_memory": "4G"}, "max_memory must be a whole number, not '4G'"),
    ],
)
def test_options_of_another_type_or_out_of_range_are_refused(values, message):
    with pytest.raises(ConfigError) as caught:
        Options(**values)
    assert str(caught.value) == message


def test_unsupported_cycles_are_refused(tiny_network):
    with pytest.raises(ConfigError, match=r"^cycles must be at least 1, not 0$"):
        Predictor(tiny_network, "tiny", Options(cycles=0))
    with pytest.raises(ConfigError, match=r"^cycles must be at most 1,000, not 1001$"):
        Predictor(tiny_network, "tiny", Options(cycles=1001))
    still = RNAformer(ModelConfig(dim=8, depth=1, heads=1, recycling=False, cycles=1))
    with pytest.raises(ConfigError) as caught:
        Predictor(still, "still", Options(cycles=2))
    assert str(caught.value) == "cycles must be 1, these weights do not recycle, not 2"


def test_a_network_with_a_label_flag_predicts_like_either_label_source_or_as_released():
    torch.manual_seed(3)
    network = RNAformer(ModelConfig(dim=8, depth=1, heads=1, label_flag=True, flag=0.25))
    codes, is_base = torch.tensor([[2, 0, 0, 0, 1]]), torch.ones(1, 5, dtype=torch.bool)
    for like, flag in (("curated", 1.0), ("computed", 0.0), (None, 0.25)):
        [scores] = Predictor(network, "x", Options(like=like)).score(["GAAAC"])
        with torch.no_grad():
            expected = torch.sigmoid(network(codes, is_base, flag=torch.tensor([flag])))[0]
        assert scores[0, 4] == pytest.approx(float(expected[0, 4]), abs=1e-6)


def test_a_network_without_a_label_flag_cannot_predict_like_a_program(tiny_network):
    with pytest.raises(ConfigError) as caught:
        Predictor(tiny_network, "tiny", Options(like="computed"))
    message = "these weights have no label flag: they were trained on one kind of labels"
    assert str(caught.value) == message


def test_folding_many_at_once_changes_no_prediction():
    torch.manual_seed(3)
    network = RNAformer(ModelConfig(dim=8, depth=1, heads=1, folding=True))
    network.folding.stack.fill_(2.0)
    network.folding.hairpin_length.fill_(-2.0)
    lengths = (31, 12, 25, 1, 40, 25, 17)
    records = [RnaRecord(str(n), random_rna(length, n)) for n, length in enumerate(lengths)]
    options = Options(keep_scores=True, threshold=0.0, max_cells=1500)
    together = list(Predictor(network, "x", options).predict(records))
    assert [answer.record.id for answer in together] == [record.id for record in records]
    for record, answer in zip(records, together, strict=True):
        [alone] = Predictor(network, "x", options).score([record.sequence])
        np.testing.assert_allclose(answer.scores, alone, atol=1e-6)


class OutOfMemoryFolding(RNAformer):
    """Allocates more memory than any machine has for a long sequence, or for several."""

    def folding_features(self, bases, is_base):
        if len(bases) > 1 or bases.shape[1] > 20:
            torch.empty(1 << 60)
        return super().folding_features(bases, is_base)


def test_records_that_do_not_fit_together_into_the_folding_model_are_folded_one_by_one():
    network = OutOfMemoryFolding(ModelConfig(dim=8, depth=1, heads=1, folding=True))
    answers = list(Predictor(network, "greedy").predict(RECORDS))
    assert [isinstance(answer, Prediction) for answer in answers] == [True, False, True, True, True]
    assert str(answers[1]) == "record 'long': not enough memory for 25 bases"


class OutOfMemoryNetwork(RNAformer):
    """Allocates more memory than any machine has for a long sequence."""

    def pad_to_patches(self, bases, is_base):
        if bases.shape[1] > 20:
            torch.empty(1 << 60)
        return super().pad_to_patches(bases, is_base)


def test_a_record_that_does_not_fit_is_an_error_and_the_others_are_predicted(tiny_network):
    predictor = Predictor(OutOfMemoryNetwork(tiny_network.config), "greedy")
    answers = list(predictor.predict(RECORDS))
    assert [isinstance(answer, Prediction) for answer in answers] == [True, False, True, True, True]
    assert isinstance(answers[1], DeviceError)
    assert str(answers[1]) == "record 'long': not enough memory for 25 bases"


class FailingNetwork(RNAformer):
    """Fails for another reason than lack of memory."""

    def pad_to_patches(self, *_):
        raise RuntimeError("a bug")


def test_other_errors_of_the_network_are_not_hidden(tiny_network):
    with pytest.raises(RuntimeError, match=r"^a bug$"):
        next(Predictor(FailingNetwork(tiny_network.config), "broken").predict(RECORDS))


def test_a_record_above_the_memory_limit_is_not_run(tiny_network):
    options = Options(max_cells=1, max_memory=40_000_000)
    long = RnaRecord("long", "A" * 3000)
    error, answer = Predictor(tiny_network, "tiny", options).predict([long, RECORDS[0]])
    needed = estimate_memory(tiny_network.config, 3000) / 2**20
    sizes = f"needs about {needed:.0f} MiB of memory, but may use 38 MiB"
    assert str(error) == f"record 'long': 3000 bases: {sizes}"
    assert answer.record == RECORDS[0]


def test_a_record_above_the_free_memory_is_not_run(tiny_network):
    [error] = Predictor(tiny_network, "tiny").predict([RnaRecord("x", "A" * 2_000_000)])
    assert isinstance(error, DeviceError)
    assert str(error).startswith("record 'x': 2000000 bases: needs about ")


def test_lack_of_memory_is_distinguished_from_other_errors():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("could not create a primitive"))  # seen with `ulimit -v`
    with pytest.raises(MemoryError) as caught:
        np.empty(1 << 55)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("shape mismatch"))


@pytest.mark.parametrize(
    ("options", "is_own"),
    [
        (Options(), True),
        (Options(decoding="nested"), True),
        (Options(decoding="raw"), False),
        (Options(threshold=0.3), False),
    ],
)
def test_a_record_has_its_own_threshold_unless_one_is_given(options, is_own):
    torch.manual_seed(4)
    config = ModelConfig(dim=8, depth=1, heads=1, cycles=1, threshold=0.3, threshold_ratio=0.4)
    network = RNAformer(config)
    torch.nn.init.normal_(network.read_out.weight, std=0.6)
    answers = list(Predictor(network, "x", options).predict(RECORDS))
    found = {answer.threshold for answer in answers}
    assert (len(found) > 1) == is_own
    if not is_own:
        assert found == {0.3}
    for answer in answers:
        least = min(answer.pair_scores.values(), default=1.0)
        assert least > answer.threshold
        if is_own and answer.structure.pairs:
            expected = max(0.4 * answer.confidence, MIN_THRESHOLD)
            assert answer.threshold == pytest.approx(expected, abs=0.015)


def test_the_shipped_weights_fold_a_plain_hairpin():
    hairpin = RnaRecord("hairpin", "GGGCGCAAGAAAGCGCCC")
    [answer] = predict([hairpin])
    assert {(1, 16), (2, 15), (3, 14)} <= answer.structure.pairs  # its ends are less probable
    [bolder] = load(options=Options(threshold=0.2)).predict([hairpin])
    assert {(0, 17), (1, 16), (2, 15)} <= bolder.structure.pairs
    assert answer.confidence > 0.5


def test_missing_weights_are_refused():
    with pytest.raises(
        WeightsError, match=r"^no weights named 'absent'; known: rnaformer-base, rnaformer-small"
    ):
        load("absent")


def test_bf16_scores_are_close_to_fp32():
    [exact] = load().score(["GGGCGCAAGAAAGCGCCC"])
    [rounded] = load(precision="bf16").score(["GGGCGCAAGAAAGCGCCC"])
    assert np.abs(exact - rounded).max() < 0.1


def test_records_that_cannot_be_predicted_raise_from_the_function(monkeypatch, tiny_network):
    monkeypatch.setattr(
        "rnaformer_cli.prediction.predictor.load",
        lambda _: Predictor(OutOfMemoryNetwork(tiny_network.config), "greedy"),
    )
    with pytest.raises(DeviceError):
        list(predict(RECORDS))


def test_every_pair_of_a_structure_has_its_score():
    """Including pairs below the threshold that extend a helix."""
    records = [RnaRecord(str(seed), random_rna(200, seed)) for seed in range(12)]
    least = []
    for prediction in load(options=Options(keep_scores=True)).predict(records):
        assert isinstance(prediction, Prediction)
        expected = {pair: prediction.scores[pair] for pair in prediction.structure.pairs}
        assert expected.items() <= prediction.pair_scores.items()
        least.append(min(expected.values()) - prediction.threshold)
    assert min(least) < 0 < max(least)


@pytest.mark.parametrize("families", [True, False])
def test_scores_are_exactly_symmetric(families):
    [first, second] = load(options=Options(families=families)).score(
        [random_rna(77, 3), random_rna(123, 4)]
    )
    assert np.array_equal(first, first.T)
    assert np.array_equal(second, second.T)


def test_one_rna_gives_one_prediction(predictor):
    [expected] = predictor.predict([RnaRecord("sequence_1", "GGGAAACCC")])
    record = SeqRecord(Seq("gggaaaccc"), id="sequence_1", description="")
    for rna in ("GGGAAACCC", " gggaaaccc\n", expected.record, record):
        answer = predictor.predict(rna)
        assert (answer.record, answer.structure) == (expected.record, expected.structure)


def test_sequences_records_and_files_may_be_predicted(predictor, tmp_path):
    path = tmp_path / "rnas.fa"
    path.write_text(">short\nGGGAAACCC\n")
    [of_file] = predictor.predict(path)
    mixed = list(predictor.predict(["GGGAAACCC", RECORDS[0], SeqRecord(Seq("ACGT"), id="x")]))
    assert [answer.record.id for answer in mixed] == ["sequence_1", "short", "x"]
    assert of_file.record == RECORDS[0]
    assert [answer.record.sequence for answer in mixed] == ["GGGAAACCC", "GGGAAACCC", "ACGU"]


def test_one_rna_that_cannot_be_predicted_raises(tiny_network):
    predictor = Predictor(OutOfMemoryNetwork(tiny_network.config), "greedy")
    with pytest.raises(DeviceError, match=r"^record 'long': not enough memory for 25 bases$"):
        predictor.predict(RECORDS[1])
    with pytest.raises(SequenceError, match=r"^record 'sequence_1': base 3: '-' is a gap"):
        predictor.predict("GG-CC")


def test_one_rna_has_one_matrix(predictor):
    [expected] = predictor.score(["GGGAAACCC"])
    for rna in ("gggaaaccc", RECORDS[0]):
        assert np.array_equal(predictor.score(rna), expected)


def test_the_function_predicts_one_rna():
    prediction = predict("GGGCGCAAGAAAGCGCCC")
    assert prediction.dot_bracket == "((((((......))))))"
    assert repr(prediction) == (
        f"Prediction('sequence_1', '((((((......))))))', confidence={prediction.confidence:.2f})"
    )


def test_pairs_and_rows_are_sorted(tiny_network):
    [answer] = Predictor(tiny_network, "tiny", Options(threshold=0.1)).predict(RECORDS[1:2])
    assert list(answer.pair_scores) == sorted(answer.pair_scores)
    rows = answer.to_pair_rows()
    assert [(row["i"] - 1, row["j"] - 1) for row in rows] == list(answer.pair_scores)
    assert [row["score"] for row in rows] == list(answer.pair_scores.values())
    assert {row["id"] for row in rows} == {"long"}


def test_a_row_has_plain_values(predictor):
    [answer] = predictor.predict(RECORDS[1:2])
    row = answer.to_row()
    assert (row["id"], row["description"], row["length"]) == ("long", "a description", 25)
    assert (row["structure"], row["pairs"]) == (answer.dot_bracket, len(answer.structure.pairs))
    assert {type(value) for value in row.values()} <= {str, int, float, type(None)}


def test_a_structure_that_brackets_cannot_hold_has_a_row_and_a_repr(predictor):
    [answer] = predictor.predict(RECORDS[:1])
    raw = replace(answer, structure=Structure(9, frozenset({(0, 8), (0, 7)})))
    assert raw.to_row()["structure"] is None
    assert repr(raw).startswith("Prediction('short', '2 pairs', confidence=")
    assert "<figure>" in raw._repr_html_()


def test_the_repr_of_a_predictor_names_weights_and_device(predictor):
    assert repr(predictor) == "Predictor('tiny', device='cpu')"


_IN_A_FORK = """
import os, signal, sys
import torch
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.prediction.predictor import Predictor
from rnaformer_cli.sequence.record import RnaRecord

torch.set_num_threads(2)
predictor = Predictor(RNAformer(ModelConfig(dim=16, depth=1, heads=2)).eval(), "tiny")
record = RnaRecord("x", "GGGGAUACGUAGCUAGCUAUUCCCC" * 4)
[alone] = predictor.predict([record])
child = os.fork()
if child == 0:
    signal.alarm(30)
    [again] = predictor.predict([record])
    os._exit(again.structure != alone.structure)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_predicts_too():
    """It waited for ever for the threads of its parent."""
    assert subprocess.run([sys.executable, "-c", _IN_A_FORK], check=False).returncode == 0
