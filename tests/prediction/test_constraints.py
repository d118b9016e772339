"""Constraints hold in every decoding, and in predictions."""

import itertools
import random

import numpy as np
import pytest
from factories.constraints import check_guarantees, random_constraints, random_scores

from rnaformer_cli import load
from rnaformer_cli.errors import ConstraintError, DeviceError, StructureError
from rnaformer_cli.prediction.constraints import PairConstraints
from rnaformer_cli.prediction.decoding import DECODINGS, decode, decode_adaptively
from rnaformer_cli.prediction.predictor import Options, Predictor
from rnaformer_cli.sequence.constraints import MIN_LOOP, Constraints, parse_constraints
from rnaformer_cli.sequence.record import RnaRecord
from rnaformer_cli.structure.crossing import crosses

SEQUENCE = "GGGACCAAAAGGUCCCAAAAGGGACC"  # bases 1-6 pair with 11-16, or 11-16 with 21-26
LEFT = {(i, 15 - i) for i in range(6)}
RIGHT = {(10 + i, 25 - i) for i in range(6)}
N_RANDOM = 300


def allowed_pairs(constraints, sequence, scores, threshold):
    """Pairs that a required base may have: canonical ones, and any above the threshold."""
    forced = {base for pair in constraints.pairs for base in pair}
    for left, right in itertools.combinations(range(len(sequence)), 2):
        is_open = not {left, right} & (forced | constraints.unpaired)
        is_canonical = sequence[left] + sequence[right] in {"AU", "UA", "GC", "CG", "GU", "UG"}
        if (
            is_open
            and right - left > MIN_LOOP
            and (left, right) not in constraints.forbidden
            and right not in constraints.downstream
            and left not in constraints.upstream
            and (is_canonical or scores[left, right] > threshold)
        ):
            yield left, right


def most_paired(constraints, pairs, may_cross):
    """The largest number of required bases that a structure can pair, by trying all."""
    start = sorted(constraints.pairs)

    def best(bases, chosen):
        if not bases:
            return 0
        base, rest = bases[0], bases[1:]
        taken = {one for pair in chosen for one in pair}
        if base in taken:
            return 1 + best(rest, chosen)
        options = [best(rest, chosen)]
        for pair in pairs:
            fits = base in pair and not taken & set(pair)
            if fits and (may_cross or not crosses([*chosen, pair]).any()):
                options.append(1 + best(rest, [*chosen, pair]))
        return max(options)

    return best(sorted(constraints.required), start)


@pytest.mark.parametrize("decoding", DECODINGS)
def test_random_constraints_hold_and_as_many_bases_pair_as_can(decoding):
    rng, n_unmet, n_required = random.Random(decoding), 0, 0
    for _ in range(N_RANDOM):
        size = rng.randint(5, 18)
        sequence = "".join(rng.choices("ACGUN", (5, 5, 5, 5, 1), k=size))
        constraints = random_constraints(rng, size, may_cross=decoding != "nested")
        scores, threshold = random_scores(rng, size), rng.choice((0.1, 0.3, 0.6))
        structure = decode(scores, threshold, decoding, PairConstraints.of(sequence, constraints))
        unmet = check_guarantees(structure, constraints, sequence, decoding)
        pairs = list(allowed_pairs(constraints, sequence, scores, threshold))
        n_paired = len(constraints.required) - len(unmet)
        if decoding == "raw":
            assert all(not any(base in pair for pair in pairs) for base in unmet)
        elif decoding == "mea":
            nested_forced = PairConstraints.of(sequence, constraints).nested_forced
            if len(nested_forced) == len(constraints.pairs):
                is_possible = most_paired(constraints, pairs, may_cross=False)
                assert not unmet or is_possible < len(constraints.required)
            free = set(unmet).union(set(range(size)) - {b for p in structure.pairs for b in p})
            assert not any(set(pair) <= free and set(pair) & set(unmet) for pair in pairs)
        else:
            may_cross = decoding == "matching"
            assert n_paired == most_paired(constraints, pairs, may_cross)
        n_unmet, n_required = n_unmet + len(unmet), n_required + len(constraints.required)
    assert n_required > N_RANDOM // 2
    assert 0 < n_unmet < n_required


@pytest.mark.parametrize("decoding", DECODINGS)
def test_the_adaptive_threshold_keeps_them_too(decoding):
    rng = random.Random(1)
    for _ in range(50):
        size = rng.randint(20, 40)
        sequence = "".join(rng.choices("ACGU", k=size))
        constraints = random_constraints(rng, size, may_cross=decoding != "nested")
        scores = random_scores(rng, size)
        pairs = PairConstraints.of(sequence, constraints)
        structure, _ = decode_adaptively(pairs.apply(scores), 0.4, decoding, pairs)
        check_guarantees(structure, constraints, sequence, decoding)


def test_forced_pairs_that_cross_are_refused_where_the_answer_is_nested():
    constraints = Constraints(20, frozenset({(0, 10), (5, 15)}))
    pairs = PairConstraints.of("A" * 20, constraints)
    scores = np.zeros((20, 20), np.float32)
    for decoding in ("mea", "matching", "raw"):
        assert decode(scores, 0.5, decoding, pairs).pairs == constraints.pairs
    with pytest.raises(StructureError) as caught:
        decode(scores, 0.5, "nested", pairs)
    assert str(caught.value) == (
        "the forced pair of bases 1 and 11 crosses another, which nested decoding cannot hold"
    )


@pytest.fixture(scope="module")
def predictor():
    return load(options=Options(families=False))


def predicted(predictor, text, sequence=SEQUENCE):
    [answer] = predictor.predict([RnaRecord("x", sequence, constraints=parse_constraints(text))])
    return answer


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("(..............)" + "." * 10, LEFT),
        ("." * 10 + "(" + "." * 14 + ")", RIGHT),
        ("xxxxxx" + "." * 20, RIGHT),
        ("." * 10 + "<<<<<<" + "." * 10, RIGHT),
        ("." * 10 + ">>>>>>" + "." * 10, LEFT),
        ("||||||" + "." * 20, LEFT),
    ],
)
def test_a_constraint_selects_one_of_two_hairpins(predictor, text, pairs):
    answer = predicted(predictor, text)
    assert len(answer.structure.pairs & pairs) >= 5
    assert answer.unmet == ()


def test_forced_pairs_have_probability_1_and_excluded_ones_0(predictor):
    predictor = Predictor(
        predictor.engine.network, "x", Options(keep_scores=True, min_score=0.0), families=None
    )
    answer = predicted(predictor, "(" + "." * 9 + "x" + "." * 4 + ")" + "." * 10)
    assert answer.pair_scores[0, 15] == 1.0
    assert answer.scores[0].sum() == 1.0
    assert not answer.scores[10].any()
    np.testing.assert_array_equal(answer.scores, answer.scores.T)


def test_a_base_without_a_possible_partner_is_named(predictor):
    answer = predicted(predictor, "...|.........", "AAAAGGAAAACCA")
    assert answer.unmet == (3,)
    assert predicted(predictor, "....|........", "AAAAGGAAAACCA").unmet == ()


def test_constraints_that_say_nothing_change_nothing(predictor):
    dotted = predicted(predictor, "." * len(SEQUENCE))
    [plain] = predictor.predict([RnaRecord("x", SEQUENCE)])
    assert dotted.structure == plain.structure
    assert dotted.pair_scores == plain.pair_scores


def test_other_records_of_the_batch_keep_their_predictions(predictor):
    plain = RnaRecord("y", SEQUENCE)
    [alone] = predictor.predict([plain])
    given = RnaRecord("x", SEQUENCE, constraints=parse_constraints("xxxxxx" + "." * 20))
    first, second = predictor.predict([given, plain])
    assert first.structure == predicted(predictor, "xxxxxx" + "." * 20).structure
    assert second.structure == alone.structure
    assert second.confidence == pytest.approx(alone.confidence, abs=1e-5)


def test_an_interior_loop_that_the_folding_model_does_not_have_is_predicted(predictor):
    sequence = "G" + "A" * 40 + "GAAAAC" + "A" * 40 + "C"
    text = "(" + "x" * 40 + "(xxxx)" + "x" * 40 + ")"
    assert predicted(predictor, text, sequence).structure.pairs == {(0, 87), (41, 46)}


def test_weights_without_a_folding_model_take_constraints(tiny_network):
    predictor = Predictor(tiny_network, "tiny", Options(decoding="matching"))
    answer = predicted(predictor, "(....)" + "x" * 20)
    assert answer.structure.pairs == {(0, 5)}


def test_a_record_with_crossing_forced_pairs_fails_alone_in_nested_decoding(predictor):
    predictor = Predictor(predictor.engine.network, "x", Options(decoding="nested"))
    text = "([....)....]" + "." * 14
    records = [
        RnaRecord("a", SEQUENCE, constraints=parse_constraints(text)),
        RnaRecord("b", SEQUENCE),
    ]
    failed, other = predictor.predict(records)
    assert isinstance(failed, DeviceError)
    assert str(failed).startswith("record 'a': the forced pair of bases 1 and 7 crosses another")
    assert other.structure.pairs


def test_constraints_of_another_length_are_refused():
    with pytest.raises(ConstraintError) as caught:
        RnaRecord("x", "GGGAAACCC", constraints=parse_constraints("....."))
    assert str(caught.value) == "record 'x': constraints for 5 bases, but the RNA has 9"
