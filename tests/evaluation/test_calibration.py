"""Calibration and ranks, by hand."""

import numpy as np
import pytest

from rnaformer_cli.evaluation.calibration import Calibration, spearman_correlation


def matrices(entries, length=10):
    scores = np.zeros((length, length), dtype=np.float32)
    truth = np.zeros((length, length), dtype=np.bool_)
    for (left, right), (score, there) in entries.items():
        scores[left, right] = scores[right, left] = score
        truth[left, right] = truth[right, left] = there
    return scores, truth


def test_the_error_by_hand():
    calibration = Calibration()
    calibration.add(*matrices({(0, 5): (0.82, True), (1, 4): (0.83, False), (0, 9): (0.12, False)}))
    # one bin with scores 0.82 and 0.83 and one of two there, one bin with 0.12 and none there
    assert calibration.error == pytest.approx((abs(1.65 - 1) + 0.12) / 3)
    assert calibration.curve() == [
        (pytest.approx(0.12), 0.0, 1),
        (pytest.approx(0.825), 0.5, 2),
    ]


def test_records_add_up():
    one, both = Calibration(), Calibration()
    entries = {(0, 5): (1.0, True)}
    one.add(*matrices(entries))
    for _ in range(2):
        both.add(*matrices(entries))
    assert both.counts.sum() == 2 * one.counts.sum() == 2
    assert both.error == one.error == 0.0


def test_pairs_that_are_no_candidates_do_not_count():
    calibration = Calibration()
    calibration.add(*matrices({(0, 5): (0.009, True)}))
    assert calibration.counts.sum() == 0
    assert calibration.error == 0.0


def test_rank_correlation_by_hand():
    assert spearman_correlation([1, 2, 3], [10, 20, 99]) == pytest.approx(1.0)
    assert spearman_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    assert spearman_correlation([1, 1, 2], [1, 2, 3]) == pytest.approx(0.8660254)
    assert spearman_correlation([1, 1, 1], [1, 2, 3]) == 0.0
