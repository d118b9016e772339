"""Fitting loop scores: exact gradients, and hairpins that become likely."""

import pytest
import torch
from factories.datasets import make_hairpin, make_record, random_rna

from rnaformer_cli.errors import DatasetError, WeightsError
from rnaformer_cli.folding.model import FoldingModel, scaled_inside
from rnaformer_cli.folding.partition import outside
from rnaformer_cli.folding.scores import TABLE_SHAPES, score_loops
from rnaformer_cli.folding.structure_loops import score_structure
from rnaformer_cli.prediction.batching import to_tensors
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.training.folding_model.expected_loops import expected_loop_counts
from rnaformer_cli.training.folding_model.fit import (
    FoldingTrainingConfig,
    backward_structures,
    fit_scores,
    initial_scores,
    read_scores,
    write_scores,
)

SEQUENCES = ["GGCGAAAGCACGAAAACGAC", "GGAGAACAGGAAACAGAACCC"]
SIGNS = ["(((....)).((....)).)", "((.(..(.(....).)..)))"]  # every kind of loop
PAIRS = [sorted(parse_dot_bracket(signs).pairs) for signs in SIGNS]


def random_scores():
    """Scores that make every kind of loop likely: see test_the_examples_expect_every_loop."""
    generator = torch.Generator().manual_seed(5)
    scores = {
        name: 0.2 * torch.randn(shape, generator=generator, dtype=torch.float64)
        for name, shape in TABLE_SHAPES.items()
    }
    for name in (
        "stack",
        "multi",
        "single_mismatch",
        "bulge_length",
        "edge_length",
        "inner_length",
    ):
        scores[name] += 1.0
    scores["unpaired_exterior"] -= 0.1
    return {name: tensor.requires_grad_() for name, tensor in scores.items()}


def test_the_examples_expect_every_loop():
    bases, _ = to_tensors(SEQUENCES)
    with torch.no_grad():
        weights, sums = scaled_inside(score_loops(bases, random_scores()))
        counts = expected_loop_counts(weights, sums, outside(weights, sums))
    assert {name for name, count in counts.items() if float(count.nansum()) < 0.01} == set()


def loss(scores):
    """The loss without the ridge penalty."""
    bases, _ = to_tensors(SEQUENCES)
    loop_scores = score_loops(bases, scores)
    _, sums = scaled_inside(loop_scores)
    log_z = sums.total.log().sum() + sums.scale * bases.numel()
    labelled = sum(score_structure(loop_scores, row, pairs) for row, pairs in enumerate(PAIRS))
    return float((log_z - labelled).detach() / sum(map(len, SEQUENCES)))


@pytest.mark.parametrize("name", TABLE_SHAPES)
def test_gradients_are_those_of_finite_differences(name, monkeypatch):
    monkeypatch.setattr("rnaformer_cli.training.folding_model.fit._RIDGE", 0.0)
    scores = random_scores()
    assert backward_structures(scores, SEQUENCES, PAIRS) == pytest.approx(loss(scores), rel=1e-12)
    gradient = scores[name].grad.flatten()
    flat = scores[name].detach().view(-1)
    strongest = gradient.abs().argsort(descending=True)[:4].tolist()
    assert gradient[strongest[0]] != 0.0
    for index in strongest:
        step = 1e-4
        flat[index] += step
        above = loss(scores)
        flat[index] -= 2 * step
        below = loss(scores)
        flat[index] += step
        assert (above - below) / (2 * step) == pytest.approx(float(gradient[index]), abs=1e-8)


def test_fitted_scores_make_the_structures_likely():
    records = [make_hairpin(f"h{n}", 6, n) for n in range(20)]
    losses = []
    scores = fit_scores(
        records, FoldingTrainingConfig(steps=30), lambda done: losses.append(done.loss)
    )
    assert losses[-1] < 0.5 * losses[0]
    model = FoldingModel()
    model.load_state_dict(scores)
    unseen = make_hairpin("v", 6, 99)
    likely = model(to_tensors([unseen.sequence])[0])[0]
    assert min(float(likely[pair]) for pair in unseen.pairs) > 0.5


def test_scores_that_many_bases_add_up_have_a_smaller_rate():
    before, after = (
        initial_scores(),
        fit_scores([make_hairpin(f"h{n}", 6, n) for n in range(4)], FoldingTrainingConfig(steps=1)),
    )
    steps = {
        name: float((after[name] - before[name].detach()).abs().max()) for name in TABLE_SHAPES
    }
    assert steps["stack"] > 0.0
    assert steps["unpaired_hairpin"] == pytest.approx(0.3 * steps["stack"], rel=1e-3)
    assert steps["unpaired_exterior"] == pytest.approx(0.03 * steps["stack"], rel=1e-3)


def test_the_same_seed_gives_the_same_scores_up_to_rounding():
    records = [make_hairpin(f"h{n}", 6, n) for n in range(20)]
    one, other = (fit_scores(records, FoldingTrainingConfig(steps=3, seed=4)) for _ in range(2))
    for name in TABLE_SHAPES:  # threads add up gradients in any order
        torch.testing.assert_close(one[name], other[name], atol=1e-4, rtol=0)


def test_records_may_all_be_too_long():
    with pytest.raises(DatasetError, match="no record of at most 20 bases to train on"):
        fit_scores(
            [make_record("a", random_rna(30, 1))], FoldingTrainingConfig(steps=1, max_length=20)
        )


def test_scores_are_read_as_written(tmp_path):
    scores = {name: tensor.detach() for name, tensor in initial_scores().items()}
    write_scores(tmp_path / "scores.safetensors", scores)
    found = read_scores(tmp_path / "scores.safetensors")
    assert all(torch.equal(found[name], scores[name]) for name in TABLE_SHAPES)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "scores.safetensors"
    path.write_bytes(b"no such thing")
    with pytest.raises(WeightsError) as caught:
        read_scores(path)
    assert str(caught.value) == f"{path}: a damaged or incomplete safetensors file"
    scores = {name: tensor.detach() for name, tensor in initial_scores().items()}
    del scores["multi"]
    write_scores(path, scores)
    with pytest.raises(WeightsError) as caught:
        read_scores(path)
    assert str(caught.value) == f"{path}: missing tensors: 'multi'"
