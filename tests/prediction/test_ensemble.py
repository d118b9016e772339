"""Scores of a structure in the ensemble agree with an enumeration of the structures."""

import itertools
import math

import pytest
import torch
from factories.foldings import nested_structures, random_loop_tables

from rnaformer_cli import RnaRecord, load
from rnaformer_cli.folding.model import FoldingModel
from rnaformer_cli.folding.scores import score_loops
from rnaformer_cli.folding.structure_loops import score_structure
from rnaformer_cli.prediction.batching import to_tensors
from rnaformer_cli.prediction.constraints import PairConstraints
from rnaformer_cli.prediction.ensemble import place_in_ensemble
from rnaformer_cli.prediction.predictor import Options
from rnaformer_cli.sequence.constraints import parse_constraints
from rnaformer_cli.structure.structure import Structure

SEQUENCE = "GGAAAACGUAAAACCUUGC"
EXAMPLES = ["GGGAAACCC", "GCGAAAACGAAAACC", SEQUENCE]


@pytest.fixture(scope="module")
def folding():
    model = FoldingModel().double()
    model.load_state_dict(random_loop_tables())
    return model


def place(folding, sequence, pairs, unpaired=None, constraints=None):
    structure = Structure(len(sequence), frozenset(pairs))
    bases = to_tensors([sequence])[0]
    found = constraints and PairConstraints.of(sequence, parse_constraints(constraints))
    return place_in_ensemble(folding, sequence, bases, structure, unpaired, found)


def log_weights(folding, sequence, unpaired=None):
    """The logarithm of the weight of each structure, relative to that of the open chain."""
    loops = score_loops(to_tensors([sequence])[0], folding.scores)
    scores = torch.zeros(len(sequence)) if unpaired is None else unpaired[0]
    each = {
        pairs: float(score_structure(loops, 0, pairs)) - sum(float(scores[b]) for b in bases)
        for pairs in nested_structures(sequence)
        for bases in [[base for pair in pairs for base in pair]]
    }
    return {pairs: score - each[()] for pairs, score in each.items()}


@pytest.mark.parametrize("sequence", EXAMPLES)
def test_scores_are_those_of_an_enumeration(folding, sequence):
    each = log_weights(folding, sequence)
    log_z = math.log(sum(map(math.exp, each.values())))
    for pairs in list(each)[:40]:
        found = place(folding, sequence, pairs)
        assert found.structure_energy_kt == pytest.approx(-each[pairs], abs=1e-5)
        assert found.ensemble_energy_kt == pytest.approx(-log_z, abs=1e-5)
        assert found.structure_probability == pytest.approx(math.exp(each[pairs] - log_z), 1e-5)
        assert found.left_out_pairs == 0


def test_the_diversity_is_the_mean_distance_of_two_structures(folding):
    each = log_weights(folding, SEQUENCE)
    total = sum(map(math.exp, each.values()))
    distance = sum(
        math.exp(one + other) * len(set(first) ^ set(second))
        for (first, one), (second, other) in itertools.product(each.items(), repeat=2)
    )
    found = place(folding, SEQUENCE, ())
    assert found.diversity == pytest.approx(distance / total**2, rel=1e-5)


def test_reactivities_change_the_energies_of_structures_with_pairs(folding):
    unpaired = torch.linspace(-1.0, 2.0, len(SEQUENCE), dtype=torch.float64)[None]
    each = log_weights(folding, SEQUENCE, unpaired)
    pairs = max(each, key=len)
    found = place(folding, SEQUENCE, pairs, unpaired)
    assert found.structure_energy_kt == pytest.approx(-each[pairs], abs=1e-5)
    log_z = math.log(sum(map(math.exp, each.values())))
    assert found.ensemble_energy_kt == pytest.approx(-log_z, abs=1e-5)


def test_the_ensemble_under_constraints_has_the_structures_that_satisfy_them(folding):
    each = log_weights(folding, SEQUENCE)
    allowed = {pairs: score for pairs, score in each.items() if any(0 in pair for pair in pairs)}
    log_z = math.log(sum(map(math.exp, allowed.values())))
    constraints = "|" + "." * (len(SEQUENCE) - 1)
    pairs = next(iter(allowed))
    found = place(folding, SEQUENCE, pairs, constraints=constraints)
    assert found.ensemble_energy_kt == pytest.approx(-log_z, abs=1e-5)
    assert found.structure_probability == pytest.approx(math.exp(each[pairs] - log_z), 1e-5)
    outside = place(folding, SEQUENCE, (), constraints=constraints)
    assert (outside.structure_energy_kt, outside.structure_probability) == (0.0, 0.0)


def test_pairs_that_the_model_lacks_are_left_out_and_counted(folding):
    sequence = "GGGAAACCCAAAGAA"
    nested = {(0, 8), (1, 7), (2, 6)}
    crossing = {(4, 12)}  # A-G, and it crosses the others
    found = place(folding, sequence, nested | crossing)
    assert found.left_out_pairs == 1
    assert found.structure_energy_kt == place(folding, sequence, nested).structure_energy_kt


def test_an_open_chain_has_the_energy_zero(folding):
    found = place(folding, "AAAAAAAA", ())
    assert str(found.structure_energy_kt) == "0.0"
    assert found.ensemble_energy_kt == pytest.approx(0.0, abs=1e-5)
    assert found.structure_probability == pytest.approx(1.0, abs=1e-5)


def test_a_prediction_has_its_ensemble_if_asked_and_in_any_batch():
    rnas = [RnaRecord("one", "GGGACCAAAAGGUCCC"), RnaRecord("two", "GGGGAAAACCCC")]
    predictor = load(options=Options(ensemble=True), device="cpu")
    together = list(predictor.predict(rnas))
    alone = predictor.predict(rnas[0])
    assert alone.ensemble == together[0].ensemble
    assert alone.to_row()["structure_energy_kt"] == alone.ensemble.structure_energy_kt < 0.0
    plain = load(device="cpu").predict(rnas[0])
    assert plain.ensemble is None
    assert "structure_energy_kt" not in plain.to_row()
