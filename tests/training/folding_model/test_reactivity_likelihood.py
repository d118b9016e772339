"""The reactivity likelihood: exact gradients, densities by letter, uniform sampling of clusters."""

from collections import Counter

import pytest
import torch
from factories.datasets import make_hairpin, random_rna

from rnaformer_cli.dataset.reactivities import ReactivityProfile
from rnaformer_cli.errors import DatasetError
from rnaformer_cli.folding.model import scaled_inside
from rnaformer_cli.folding.scores import TABLE_SHAPES, score_loops
from rnaformer_cli.folding.soft_constraints import add_unpaired_scores
from rnaformer_cli.prediction.batching import to_tensors
from rnaformer_cli.training.folding_model.fit import FoldingTrainingConfig, fit_scores
from rnaformer_cli.training.folding_model.reactivity_likelihood import (
    BIN_EDGES,
    NO_VALUE,
    Densities,
    ProfileStream,
    backward_reactivities,
    bin_reactivities,
)

SEQUENCES = ["GGCGAAAGCACGAAAACGAC", "CGAGAACAGGAAACAGAACCG"]
A, C, G, U, N = range(5)
HIGH, LOW = len(BIN_EDGES), 1  # bins


def random_scores():
    """Scores that make every kind of loop likely."""
    generator = torch.Generator().manual_seed(5)
    scores = {
        name: 0.2 * torch.randn(shape, generator=generator, dtype=torch.float64)
        for name, shape in TABLE_SHAPES.items()
    }
    for name in ("stack", "multi", "single_mismatch", "bulge_length", "edge_length"):
        scores[name] += 1.0
    scores["inner_length"] += 1.0
    scores["unpaired_exterior"] -= 0.1
    return {name: tensor.requires_grad_() for name, tensor in scores.items()}


def profiles():
    generator = torch.Generator().manual_seed(1)
    return [
        ReactivityProfile(text, text, tuple(torch.rand(len(text), generator=generator).tolist()))
        for text in SEQUENCES
    ]


def random_densities():
    densities = Densities()
    generator = torch.Generator().manual_seed(2)
    shape = densities.counts.shape
    densities.counts = 50 * torch.rand(shape, generator=generator, dtype=torch.float64)
    return densities


@torch.no_grad()
def loss(scores):
    """-log(likelihood of the values / their likelihood if all bases were paired) per value."""
    bases, _ = to_tensors(SEQUENCES)
    bins = bin_reactivities(profiles())
    log_ratio = random_densities().log_ratio(bases, bins)
    unconstrained = score_loops(bases, scores)
    logs = []
    for found in (unconstrained, add_unpaired_scores(unconstrained, log_ratio)):
        _, sums = scaled_inside(found)
        logs.append(float(sums.total.log().sum() + sums.scale * bases.numel()))
    return (logs[0] - logs[1] - float(log_ratio.sum())) / int((bins != NO_VALUE).sum())


@pytest.mark.parametrize("name", TABLE_SHAPES)
def test_gradients_are_those_of_finite_differences(name):
    scores = random_scores()
    found = backward_reactivities(scores, profiles(), random_densities(), weight=0.5)
    assert found == pytest.approx(loss(scores), rel=1e-12)
    gradient = scores[name].grad.flatten()
    flat = scores[name].detach().view(-1)
    for index in gradient.abs().argsort(descending=True)[:3].tolist():
        step = 1e-4
        flat[index] += step
        above = loss(scores)
        flat[index] -= 2 * step
        below = loss(scores)
        flat[index] += step
        slope = 0.5 * (above - below) / (2 * step)
        assert slope == pytest.approx(float(gradient[index]), abs=1e-8)


def test_without_densities_all_gradients_are_zero():
    scores = random_scores()
    assert backward_reactivities(scores, profiles(), Densities(), 1.0) == pytest.approx(0.0)
    assert all(float(tensor.grad.abs().max()) < 1e-12 for tensor in scores.values())


def test_densities_are_those_of_the_letter_and_unknown_letters_have_none():
    densities = Densities()
    bases = torch.tensor([[A, A, C, C, N]])
    bins = torch.tensor([[HIGH, LOW, HIGH, LOW, HIGH]])
    unpaired = torch.tensor([[1.0, 0.0, 0.5, 0.5, 1.0]], dtype=torch.float64)
    for _ in range(50):
        densities.add(bases, bins, unpaired)
    ratio = densities.log_ratio(bases, bins)[0]
    assert ratio[0] > 1.0
    assert ratio[1] < -1.0
    assert ratio[2:].tolist() == [0.0, 0.0, 0.0]


def test_a_base_without_a_value_has_a_ratio_of_zero():
    bins = torch.tensor([[NO_VALUE, HIGH]])
    assert random_densities().log_ratio(torch.tensor([[A, A]]), bins)[0, 0] == 0.0


def test_bins_do_not_depend_on_the_scale_of_the_values():
    values = [0.0, 0.1, 0.4, None, 0.9, 1.5, 0.2, 0.0]
    small = ReactivityProfile("s", "ACGUACGU", tuple(values))
    large = ReactivityProfile("l", "ACGUACGU", tuple(v and 300 * v for v in values))
    one, other = bin_reactivities([small, large])
    assert one.tolist() == other.tolist()
    assert one[3] == NO_VALUE
    assert one[0] < one[1] < one[2] < one[4] < one[5]


def test_common_ends_of_designs_do_not_count():
    sequence = "GGAAA" + "CAGUC" + "CCAUUUUCGAAUGG" + "AAAGAAACAACAACAACAAC"
    bins = bin_reactivities([ReactivityProfile("d", sequence, (1.0,) * len(sequence))])[0]
    counted = [index for index, found in enumerate(bins.tolist()) if found != NO_VALUE]
    assert counted == list(range(5, 10))


def test_clusters_are_sampled_uniformly():
    many = [ReactivityProfile(f"m{n}", random_rna(20, n), (1.0,) * 20, cluster=1) for n in range(9)]
    one = ReactivityProfile("one", random_rna(20, 99), (1.0,) * 20, cluster=2)
    alone = ReactivityProfile("alone", random_rna(20, 98), (1.0,) * 20)
    stream = ProfileStream([*many, one, alone], 20, max_cells=4000, seed=1)
    counts = Counter(profile.id for step in range(100) for profile in stream.batch(step))
    assert sum(counts.values()) == 1000
    assert 270 < counts["one"] < 400
    assert 270 < counts["alone"] < 400


def test_batches_stay_within_their_cells_and_are_repeatable():
    chosen = [
        ReactivityProfile(f"p{n}", random_rna(10 + n, n), (1.0,) * (10 + n)) for n in range(30)
    ]
    stream = ProfileStream(chosen, 30, max_cells=3000, seed=7)
    for step in range(20):
        batch = stream.batch(step)
        assert batch == stream.batch(step)
        assert len(batch) * max(map(len, batch)) ** 2 <= 3000
        assert max(map(len, batch)) <= 30


def test_profiles_may_all_be_too_long():
    with pytest.raises(DatasetError, match="no reactivity profile of at most 20 bases"):
        ProfileStream([ReactivityProfile("p", random_rna(21, 1), (1.0,) * 21)], 20, 1000, seed=0)


def probed(name, stem, seed):
    """A hairpin whose loop and flanks are reactive."""
    stem_loop = make_hairpin(name, stem, seed)
    paired = {base for pair in stem_loop.pairs for base in pair}
    sequence = f"AACA{stem_loop.sequence}ACAA"
    values = [0.05 if base - 4 in paired else 1.0 for base in range(len(sequence))]
    return ReactivityProfile(name, sequence, tuple(values))


def test_reactivities_make_measured_helices_likely():
    records = [make_hairpin(f"h{n}", 6, n) for n in range(8)]
    done = []
    fit_scores(
        records,
        FoldingTrainingConfig(steps=40, reactivity_cells=8000),
        done.append,
        profiles=[probed(f"p{n}", 5, n) for n in range(30)],
    )
    first, last = (sum(one.reactivity_loss for one in part) for part in (done[2:7], done[-5:]))
    assert last < first - 0.5  # summed over five steps
