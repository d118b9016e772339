"""The training loop: it fits, stops, resumes exactly, and refuses NaN."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from factories.datasets import make_hairpin, make_record

from rnaformer_cli.errors import InputError, TrainingError
from rnaformer_cli.model.checkpoint import load_network
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.prediction.decoding import decode
from rnaformer_cli.prediction.predictor import Predictor
from rnaformer_cli.structure.formats import read_structures
from rnaformer_cli.training.network.config import (
    BatchConfig,
    OptimiserConfig,
    RunConfig,
    TrainConfig,
)
from rnaformer_cli.training.network.run_folder import RunFolder, load_state
from rnaformer_cli.training.network.training_loop import ComputeConfig, Trainer
from rnaformer_cli.weight_store.store import DEFAULT, find_weights

EXAMPLES = Path(__file__).parents[3] / "examples"
MODEL = ModelConfig(dim=16, depth=2, heads=2, ff_factor=2.0, label_flag=True, dropout=0.1)
BATCHES = BatchConfig(max_cells=3_000, lengths=(40, 60))
RECORDS = [make_hairpin(f"h{n}", 8 + n % 6, n) for n in range(20)]
RECORDS += [make_hairpin(f"c{n}", 10, 50 + n, source="rnafold") for n in range(5)]
SETS = {"val": RECORDS[:3]}


def config(steps, **run):
    return TrainConfig(MODEL, BATCHES, OptimiserConfig(), RunConfig(steps=steps, **run))


def test_one_hairpin_is_learned_to_its_exact_structure():
    target = make_hairpin("one", 7, 3)
    plan = TrainConfig(
        ModelConfig(dim=16, depth=2, heads=2, ff_factor=2.0),
        BatchConfig(lengths=(40,), batches_per_step=1, max_cells=400),
        OptimiserConfig(learning_rate=1e-2, ema_decay=0.9),
        RunConfig(steps=60),
    )
    trainer = Trainer(plan, [target], {})
    assert trainer.run()
    [scores] = Predictor(trainer.network, "x").score([target.sequence])
    assert decode(scores, 0.5).pairs == set(target.pairs)


def same(one, other):
    """Whether two nested states hold the same values."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def test_two_steps_and_two_after_resuming_are_four(tmp_path):
    through = Trainer(config(4), RECORDS, {})
    for _ in range(4):
        through.step()

    before = Trainer(config(4), RECORDS, {})
    for _ in range(2):
        before.step()
    RunFolder(tmp_path, config(4), resume=False).save_state(before.state_dict())
    torch.manual_seed(99)  # what another process would have
    after = Trainer(config(4), RECORDS, {})
    after.load_state_dict(load_state(tmp_path))
    for _ in range(2):
        after.step()

    expected, found = through.state_dict(), after.state_dict()
    for state in (expected, found):
        del state["seconds"]
    assert same(found, expected)


def test_a_run_leaves_config_metrics_curves_and_weights(tmp_path):
    folder = RunFolder(tmp_path / "run", config(3), resume=False)
    assert Trainer(config(3), RECORDS, SETS).run(folder)
    names = {path.name for path in folder.path.iterdir()}
    expected = {"config.json", "environment.json", "metrics.jsonl", "curves.svg"}
    assert names == expected | {"last.json", "last-3-1.pt", "best", "latest"}
    [row] = folder.metrics()
    assert row["step"] == 3
    assert set(row["f1"]) == {"val"}
    _, best = load_network(folder.path / "best")
    assert best.model.threshold == row["threshold"]
    assert json.loads((folder.path / "environment.json").read_text())["device"]


def test_validation_runs_at_its_interval(tmp_path):
    plan = config(4, validate_every=1e-6)
    folder = RunFolder(tmp_path, plan, resume=False)
    Trainer(plan, RECORDS, SETS).run(folder)
    assert [row["step"] for row in folder.metrics()] == [1, 2, 3, 4]


def test_the_curves_of_a_run_may_have_different_validation_sets(tmp_path):
    folder = RunFolder(tmp_path, config(4), resume=False)
    for step, name in enumerate(("before", "after"), start=1):
        folder.add_metrics({"step": step, "minutes": 1.0, "loss": 0.5, "f1": {name: 0.5}})
    assert folder.plot()
    drawn = re.findall(r"<!-- (\w+) -->", (tmp_path / "curves.svg").read_text())
    assert {"before", "after"} <= set(drawn)


def test_a_stopped_run_saves_its_state(tmp_path):
    folder = RunFolder(tmp_path, config(9), resume=False)
    trainer = Trainer(config(9), RECORDS, SETS)
    assert not trainer.run(folder, should_stop=lambda: trainer.progress.step >= 2)
    assert load_state(tmp_path)["step"] == 2


def test_a_time_budget_ends_the_schedule():
    plan = TrainConfig(MODEL, BATCHES, OptimiserConfig(), RunConfig(minutes=0.01))
    trainer = Trainer(plan, RECORDS, {})
    assert trainer.run()
    assert trainer.progress.seconds >= 0.6
    assert trainer.progress.fraction_done(plan) == 1.0


def test_a_pause_of_the_process_counts_as_a_long_step():
    trainer = Trainer(config(4), RECORDS, {})
    first = [trainer.clip_pause(30.0)] + [trainer.clip_pause(0.5) for _ in range(9)]
    assert first == [30.0] + 9 * [0.5]  # what is usual is not known yet
    assert trainer.clip_pause(5.0) == 5.0  # a batch of long records
    assert trainer.clip_pause(3600.0) == 10.0


def test_time_in_which_the_process_does_not_run_is_not_counted(monkeypatch):
    trainer = Trainer(config(4), RECORDS, {})
    accumulate = trainer._accumulate_gradients

    def wait_and_accumulate(batches):
        time.sleep(0.5)
        return accumulate(batches)

    monkeypatch.setattr(trainer, "_accumulate_gradients", wait_and_accumulate)
    trainer.step()
    assert 0.0 < trainer.progress.seconds < 0.5


def test_training_begins_with_given_weights():
    first = Trainer(config(1), RECORDS, {})
    first.step()
    start = first.network.state_dict()
    second = Trainer(config(1), RECORDS, {}, start=start)
    for name, tensor in second.network.state_dict().items():
        assert torch.equal(tensor, start[name])


@pytest.mark.parametrize(
    "compute", [ComputeConfig(dtype=torch.bfloat16), ComputeConfig(save_memory=True)]
)
def test_bf16_and_recomputation_fit_too(compute):
    trainer = Trainer(config(8), RECORDS[:2], {}, compute)
    losses = [trainer.step() for _ in range(8)]
    assert losses[-1] < losses[0]


def gradients(compute):
    plan = TrainConfig(ModelConfig(dim=16, depth=2, heads=2), BATCHES)
    trainer = Trainer(plan, RECORDS, {}, compute)
    trainer._accumulate_gradients([trainer.source._batch(RECORDS[:4])])
    return [parameter.grad for parameter in trainer.network.parameters()]


def test_recomputing_activations_changes_no_gradient():
    pairs = zip(gradients(ComputeConfig(save_memory=True)), gradients(ComputeConfig()), strict=True)
    for recomputed, kept in pairs:
        torch.testing.assert_close(recomputed, kept)


def test_gradients_in_bf16_are_those_in_fp32():
    """For every parameter, with trained weights and an RNA of typical length."""
    network, _ = load_network(find_weights(DEFAULT))
    known = next(one for one in read_structures(EXAMPLES / "rnas.dbn") if one.id == "5S-rRNA")
    labelled = make_record(known.id, known.sequence, sorted(known.structure.pairs))
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        start, plan = network.state_dict(), TrainConfig(network.config, BATCHES)
        trainer = Trainer(plan, RECORDS, {}, ComputeConfig(dtype=dtype), start=start)
        trainer._accumulate_gradients([trainer.source._batch([labelled])])
        found[dtype] = dict(trainer.network.named_parameters())
    for name, parameter in found[torch.float32].items():
        change = found[torch.bfloat16][name].grad - parameter.grad
        assert change.norm() <= 0.05 * parameter.grad.norm() + 1e-6, name


def test_a_loss_that_is_not_finite_stops_the_run_and_names_its_records():
    trainer = Trainer(config(4), [make_record("odd", "GGGAAACCC", [(0, 8)])], {})
    torch.nn.init.constant_(trainer.network.read_out.bias, float("nan"))
    with pytest.raises(TrainingError, match=r"^step 1: the loss is nan with odd, odd"):
        trainer.step()


def test_a_folder_with_a_run_is_not_overwritten(tmp_path):
    RunFolder(tmp_path, config(4), resume=False)
    with pytest.raises(TrainingError) as caught:
        RunFolder(tmp_path, config(4), resume=False)
    assert str(caught.value) == f"{tmp_path}: already contains a run; use --resume to continue it"


def test_a_run_is_not_resumed_with_another_config(tmp_path):
    RunFolder(tmp_path, config(4), resume=False)
    with pytest.raises(TrainingError) as caught:
        RunFolder(tmp_path, config(5), resume=True)
    assert str(caught.value) == f"{tmp_path}: contains a run with steps 4, not 5"


def test_a_run_that_is_older_than_a_setting_is_resumed(tmp_path):
    RunFolder(tmp_path, config(4), resume=False)
    stored = json.loads((tmp_path / "config.json").read_text())
    del stored["model"]["flag"]
    (tmp_path / "config.json").write_text(json.dumps(stored))
    RunFolder(tmp_path, config(4), resume=True)
    other = replace(config(4), model=replace(MODEL, flag=0.5))
    with pytest.raises(TrainingError) as caught:
        RunFolder(tmp_path, other, resume=True)
    assert str(caught.value) == f"{tmp_path}: contains a run with flag 1.0, not 0.5"


def test_the_error_for_another_duration_names_stop_after(tmp_path):
    plans = [TrainConfig(MODEL, run=RunConfig(minutes=minutes)) for minutes in (60.0, 9.0)]
    RunFolder(tmp_path, plans[0], resume=False)
    with pytest.raises(TrainingError) as caught:
        RunFolder(tmp_path, plans[1], resume=True)
    message = (
        "contains a run with minutes 60.0, not 9.0; use --stop-after to train in several parts"
    )
    assert str(caught.value) == f"{tmp_path}: {message}"


def test_a_large_state_is_kept_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("rnaformer_cli.training.network.run_folder.PART_BYTES", 20_000)
    folder = RunFolder(tmp_path, config(2), resume=False)
    trainer = Trainer(config(2), RECORDS, {})
    folder.save_state(trainer.state_dict())
    trainer.step()
    folder.save_state(trainer.state_dict())
    parts = list(tmp_path.glob("last-*.pt"))
    assert len(parts) > 1
    assert max(part.stat().st_size for part in parts) <= 20_000
    assert {part.name.split("-")[1] for part in parts} == {"1"}  # the old state is gone
    assert same(load_state(tmp_path), trainer.state_dict())


def test_a_folder_without_a_state_gives_none():
    assert load_state("/nowhere") is None


def test_a_damaged_state_is_refused(tmp_path):
    (tmp_path / "last.json").write_text('["last-2-1.pt"]')
    (tmp_path / "last-2-1.pt").write_bytes(b"half")
    with pytest.raises(InputError) as caught:
        load_state(tmp_path)
    assert str(caught.value) == f"{tmp_path / 'last.json'}: not the state of a run"


def test_a_run_in_pieces_is_validated_at_the_same_times(monkeypatch):
    trainer = Trainer(config(3), RECORDS, SETS)
    trainer.progress.seconds = 299.999999  # as resumed; every five minutes is the default
    at_steps = []
    monkeypatch.setattr(trainer, "_validate", lambda _: at_steps.append(trainer.progress.step))
    trainer.run()
    assert at_steps == [1, 3]


def test_a_run_is_not_resumed_with_other_records():
    """Its batches, and its best F1, were those of other records."""
    state = Trainer(config(4), RECORDS, SETS).state_dict()
    for records, sets, option in ((RECORDS[1:], SETS, "data"), (RECORDS, {}, "val")):
        with pytest.raises(TrainingError, match=f"^contains a run with other --{option}$"):
            Trainer(config(4), records, sets).load_state_dict(state)
    del state["data"], state["validation"]  # as in states of earlier versions
    Trainer(config(4), RECORDS[1:], {}).load_state_dict(state)


def test_metrics_of_steps_after_the_saved_state_are_replaced(tmp_path):
    folder = RunFolder(tmp_path, config(4), resume=False)
    for step in (5, 9, 7):  # the process was killed at 9, and resumed
        folder.add_metrics({"step": step, "f1": {}})
    assert [row["step"] for row in folder.metrics()] == [5, 7]


@pytest.mark.parametrize("line", ['{"step": 7', "[]", "{}", '"\\xff"'])
def test_damaged_metrics_are_reported(tmp_path, line):
    """They ended in a traceback."""
    folder = RunFolder(tmp_path, config(4), resume=False)
    folder.add_metrics({"step": 5, "f1": {}})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write(line)
    with pytest.raises(InputError) as caught:
        folder.add_metrics({"step": 9, "f1": {}})
    message = "not a row of metrics; remove this line"
    assert str(caught.value) == f"{tmp_path / 'metrics.jsonl'}:2: {message}"
