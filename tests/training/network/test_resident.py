"""Data on the device: the same batches, losses and weights as from records on the host."""

from dataclasses import replace
from itertools import islice

import pytest
import torch
from factories.datasets import make_hairpin, make_record

from rnaformer_cli.folding.model import FoldingModel
from rnaformer_cli.model.checkpoint import load_network
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.training.batches.bucketed import Bucket, BucketedStream
from rnaformer_cli.training.batches.sampling import StreamPosition
from rnaformer_cli.training.network import resident
from rnaformer_cli.training.network.batch_sources import SampledBatch
from rnaformer_cli.training.network.config import (
    BatchConfig,
    OptimiserConfig,
    RunConfig,
    TrainConfig,
)
from rnaformer_cli.training.network.resident import ResidentRecords
from rnaformer_cli.training.network.run_folder import RunFolder, load_state
from rnaformer_cli.training.network.targets import to_batch
from rnaformer_cli.training.network.training_loop import ComputeConfig, Trainer
from rnaformer_cli.weight_store.store import DEFAULT, find_weights

CPU = torch.device("cpu")
MODEL = ModelConfig(dim=16, depth=2, heads=2, ff_factor=2.0, label_flag=True, patch=2, cycles=2)
BATCHES = BatchConfig(max_cells=3_000, lengths=(40, 60), bucketed=True)
RECORDS = [make_hairpin(f"h{n}", 8 + n % 6, n) for n in range(20)]
RECORDS += [make_hairpin(f"c{n}", 10, 50 + n, source="rnafold") for n in range(5)]
RECORDS += [make_record(f"odd{n}", "GGGNAAACCCAAGAG", [(0, 9), (1, 8)]) for n in range(4)]
SOFT = make_record("soft", "GGGAAAACCCAAGAGC", probabilities=((0, 9, 0.75), (1, 8, 0.5)))


def plan(steps=10, model=MODEL, **batches):
    return TrainConfig(
        model, replace(BATCHES, **batches), OptimiserConfig(), RunConfig(steps=steps)
    )


@pytest.fixture(scope="module")
def scores():
    network, _ = load_network(find_weights(DEFAULT))
    return network.folding.state_dict()


@pytest.fixture
def folding(scores):
    model = FoldingModel()
    model.load_state_dict(scores)
    return model


def test_a_batch_from_the_device_is_that_of_its_records(folding, monkeypatch):
    monkeypatch.setattr(resident, "FOLDING_CELLS", {"cpu": 1_000})  # several batches to fold
    records = [*RECORDS, SOFT]
    kept = ResidentRecords(records, CPU, folding)
    stream = BucketedStream(records, BATCHES, 2, 1)
    seen = set()
    for bucket, _ in islice(stream.buckets(StreamPosition(), 1.0), 40):
        batch = kept.batch(bucket)
        members = [records[index] for index in bucket.indices]
        seen.update(record.id for record in members)
        expected = to_batch(members)
        length = expected.bases.shape[1]
        assert bucket.length - length in (0, 1)
        assert torch.equal(batch.bases[:, :length], expected.bases)
        assert torch.equal(batch.is_base[:, :length], expected.is_base)
        assert torch.equal(batch.target[:, :length, :length], expected.target)
        assert torch.equal(batch.flag, expected.flag)
        probabilities = folding(expected.bases)
        difference = batch.folding[:, :length, :length] - probabilities
        assert difference.abs().max() < 5e-4  # half precision
        if length < bucket.length:
            rest = (batch.is_base, batch.target, batch.folding)
            assert not any(tensor[:, -1].any() for tensor in rest)
    assert {"odd0", "soft"} <= seen


def from_host(trainer, bucket):
    """The same batch, made from its records and folded by the network in each step."""
    records = [trainer.source.stream.records[index] for index in bucket.indices]
    return SampledBatch(records, bucket.length, lambda: to_batch(records))


@pytest.mark.parametrize(("has_folding", "tolerance"), [(False, 1e-5), (True, 2e-3)])
def test_ten_steps_are_those_of_the_plain_loop(scores, has_folding, tolerance, monkeypatch):
    """Losses and weights; the probabilities of the folding model are kept in half precision."""
    model = replace(MODEL, folding=has_folding, folding_logit_weight=0.5 * has_folding)
    loaded = scores if has_folding else None
    one, other = (Trainer(plan(model=model), RECORDS, {}, folding=loaded) for _ in range(2))
    monkeypatch.setattr(other.source, "_batch", lambda bucket: from_host(other, bucket))
    monkeypatch.setattr(
        other.network,
        "bucketed_logits",
        lambda bases, is_base, _, cycles, flag: other.network(bases, is_base, cycles, flag),
    )
    for _ in range(10):
        assert one.step() == pytest.approx(other.step(), rel=tolerance)
    weights = other.network.state_dict()
    for name, tensor in one.network.state_dict().items():
        assert (tensor - weights[name]).abs().max() < tolerance, name


def test_a_bucketed_run_resumes_exactly(tmp_path):
    through = Trainer(plan(), RECORDS, {})
    losses = [through.step() for _ in range(4)]
    before = Trainer(plan(), RECORDS, {})
    assert [before.step() for _ in range(2)] == losses[:2]
    RunFolder(tmp_path, plan(), resume=False).save_state(before.state_dict())
    after = Trainer(plan(), RECORDS, {})
    after.load_state_dict(load_state(tmp_path))
    assert [after.step() for _ in range(2)] == losses[2:]
    assert after.progress.cells == through.progress.cells


@pytest.mark.parametrize("compute", [ComputeConfig(dtype=torch.bfloat16), ComputeConfig()])
def test_a_bucketed_run_fits(compute):
    trainer = Trainer(plan(max_cells=10_000), RECORDS[:3], {}, compute)
    losses = [trainer.step() for _ in range(10)]
    assert losses[-1] < losses[0]


def test_records_without_pairs_are_kept():
    kept = ResidentRecords([make_record("empty", "ACGUA")], CPU)
    batch = kept.batch(Bucket(torch.zeros(3, dtype=torch.int64).numpy(), 6))
    assert not batch.target.any()
    assert batch.folding is None
    assert batch.is_base.sum() == 15
