"""Alternative structures cover the sample, and do not depend on batches."""

import random
from dataclasses import replace

import numpy as np
import pytest
from factories.constraints import check_guarantees, random_constraints

from rnaformer_cli import RnaRecord, load, parse_dot_bracket
from rnaformer_cli.errors import ConfigError
from rnaformer_cli.prediction.alternatives import find_alternatives
from rnaformer_cli.prediction.predictor import Options, Predictor
from rnaformer_cli.sequence.constraints import parse_constraints

FIRST, SECOND, SHORTER = "((((....))))....", "....((((....))))", ".(((....)))....."
SCORES = np.zeros((16, 16), np.float32)
RECORDS = [
    RnaRecord("switch", "GGGACCAAAAGGUCCCAAAAGGGACC"),
    RnaRecord("hairpin", "GGGGAAAACCCC"),
    RnaRecord("bistable", "GACCGGAAGGUCCGCCUUCC"),
    RnaRecord("longer", "GGCGUAAAGCCAUUGCCGAUAAGGCUUACGCCAAGCUUACGGUAAGC"),
]


def sample(*structures):
    rows = [[-1 if p is None else p for p in parse_dot_bracket(s).partners()] for s in structures]
    return np.array(rows, np.int32)


def alternatives(sampled, limit, structure=FIRST):
    found = find_alternatives(parse_dot_bracket(structure), SCORES, sampled, limit)
    return [(one.structure, one.probability) for one in found]


def test_the_structure_is_first_and_the_others_follow_by_probability():
    sampled = sample(FIRST, *[SECOND] * 5, *[SHORTER] * 2)
    assert alternatives(sampled, 9) == [
        (parse_dot_bracket(FIRST), 1 / 8),
        (parse_dot_bracket(SECOND), 5 / 8),
        (parse_dot_bracket(SHORTER), 2 / 8),
    ]


def test_a_rare_but_different_structure_comes_before_a_similar_one():
    sampled = sample(*[FIRST] * 5, *[SHORTER] * 3, *[SECOND] * 2)
    assert alternatives(sampled, 2) == [
        (parse_dot_bracket(FIRST), 0.8),  # with those that lack its outer pair
        (parse_dot_bracket(SECOND), 0.2),
    ]


def test_one_alternative_stands_for_the_whole_sample():
    assert alternatives(sample(FIRST, SECOND), 1) == [(parse_dot_bracket(FIRST), 1.0)]


def test_a_structure_that_was_not_sampled_stays_the_first():
    found = alternatives(sample(SECOND, SECOND), 5)
    assert found == [(parse_dot_bracket(FIRST), 0.0), (parse_dot_bracket(SECOND), 1.0)]


def test_the_structure_without_pairs_is_one_of_them():
    empty = "." * 16
    found = alternatives(sample(empty, empty, FIRST), 5)
    assert [probability for _, probability in found] == [pytest.approx(1 / 3), pytest.approx(2 / 3)]


@pytest.fixture(scope="module")
def predictor():
    return load(options=Options(alternatives=5), device="cpu")


def test_both_hairpins_of_a_switch_are_found(predictor):
    [answer] = predictor.predict(RECORDS[:1])
    left, right = "((((((....))))))..........", "..........((((((....))))))"
    found = [one.structure for one in answer.alternatives]
    assert found[0] == answer.structure
    assert {parse_dot_bracket(left), parse_dot_bracket(right)} <= set(found)
    assert sum(one.probability for one in answer.alternatives) == pytest.approx(1.0)
    assert answer.alternatives[0].confidence == answer.confidence


def test_alternatives_do_not_depend_on_the_batch(predictor):
    together = {answer.record.id: answer.alternatives for answer in predictor.predict(RECORDS)}
    for record in reversed(RECORDS):
        [alone] = predictor.predict([record])
        pairs = zip(alone.alternatives, together[record.id], strict=True)
        assert all(
            (one.structure, one.probability) == (other.structure, other.probability)
            for one, other in pairs
        )


def test_the_seed_determines_the_sample(predictor):
    def probabilities(seed):
        other = Predictor(
            predictor.engine.network,
            "x",
            Options(alternatives=3, seed=seed),
            families=predictor.families,
        )
        [answer] = other.predict(RECORDS[:1])
        return [one.probability for one in answer.alternatives]

    assert probabilities(0) == probabilities(0)
    assert probabilities(0) != probabilities(1)


def test_no_sample_is_drawn_unless_it_is_asked_for(predictor):
    plain = Predictor(predictor.engine.network, "x", families=predictor.families)
    [answer] = plain.predict(RECORDS[:1])
    assert answer.alternatives == ()


def test_weights_without_a_folding_model_refuse_alternatives(tiny_network):
    with pytest.raises(ConfigError) as caught:
        Predictor(tiny_network, "tiny", Options(alternatives=2))
    assert str(caught.value) == "these weights have no folding model, which alternatives need"


def test_an_empty_sample_leaves_the_structure_alone():
    none = np.zeros((0, 16), np.int32)
    assert alternatives(none, 5) == [(parse_dot_bracket(FIRST), 1.0)]


@pytest.mark.parametrize(
    "signs",
    [
        "xxx.......................",
        "(........................)",
        "..(..[......).....]......x",  # forced pairs that cross, of bases that could not pair
        ".......|..................",
        "......<...............>...",
        "x..|..|...........|..|....",
        "|........................|",
    ],
)
def test_all_alternatives_satisfy_the_constraints(predictor, signs):
    constraints = parse_constraints(signs)
    record = replace(RECORDS[0], constraints=constraints)
    [answer] = predictor.predict([record])
    assert answer.alternatives[0].structure == answer.structure
    for found in answer.alternatives:
        unmet = check_guarantees(found.structure, constraints, record.sequence, "mea")
        assert set(unmet) <= set(answer.unmet)
    assert sum(one.probability for one in answer.alternatives) == pytest.approx(1.0)


def test_a_constraint_leaves_one_hairpin_of_a_switch(predictor):
    record = replace(RECORDS[0], constraints=parse_constraints("xxx" + "." * 23))
    [answer] = predictor.predict([record])
    right = parse_dot_bracket("..........((((((....))))))")
    first, *others = answer.alternatives
    assert first.structure == right
    assert all(not {0, 1, 2} & {b for pair in one.structure.pairs for b in pair} for one in others)
    assert first.probability > 0.5


def test_random_constraints_hold_in_all_alternatives(predictor):
    rng, n_alternatives = random.Random(1), 0
    for _ in range(30):
        size = rng.randint(12, 30)
        sequence = "".join(rng.choices("ACGUN", (5, 5, 5, 5, 1), k=size))
        constraints = random_constraints(rng, size, may_cross=True)
        record = RnaRecord("x", sequence, constraints=constraints)
        [answer] = predictor.predict([record])
        for found in answer.alternatives:
            unmet = check_guarantees(found.structure, constraints, sequence, "mea")
            assert set(unmet) <= set(answer.unmet)
        n_alternatives += len(answer.alternatives)
    assert n_alternatives > 60  # of 30 records
