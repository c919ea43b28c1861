"""Metrics against values computed by hand and by scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from pmfer import metrics
from pmfer.datasets import argmax_label

MISSED = [np.nan, np.nan, np.nan]
PROBABILITIES = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.1, 0.9, 0.0], [0.2, 0.2, 0.6], MISSED], np.float32)
LABELS = np.array([0, 1, 1, -1, 2])


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_a_face_that_was_not_found_is_a_wrong_answer() -> None:
    assert metrics.answers(PROBABILITIES).tolist() == [0, 0, 1, 2, -1]
    assert metrics.accuracy(PROBABILITIES, LABELS) == pytest.approx(2 / 4)
    assert metrics.macro_f1(PROBABILITIES, LABELS) == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert metrics.confusion(PROBABILITIES, LABELS).tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]


def test_the_temperature_takes_back_exaggeration() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 4)).astype(np.float32)
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(1)  # drawn from softmax(logits)
    labels[::10] = -1
    assert metrics.fit_temperature(3 * logits, labels) == pytest.approx(3, rel=0.03)
    assert metrics.fit_temperature(logits, np.full(len(logits), -1)) == 1.0


def test_the_calibration_error_is_the_gap_per_bin_weighted_by_count() -> None:
    # 0.8 right, 0.6 wrong, 0.9 right, each in a separate bin; the missed face has no confidence
    assert metrics.expected_calibration_error(PROBABILITIES, LABELS) == pytest.approx((0.2 + 0.6 + 0.1) / 3, abs=1e-6)


def test_without_a_label_nothing_is_computed() -> None:
    nobody = np.full(5, -1)
    for figure in (metrics.accuracy, metrics.macro_f1, metrics.expected_calibration_error):
        assert figure(PROBABILITIES, nobody) is None
    assert metrics.wilson_interval(0, 0) is None


def test_the_wilson_interval_is_the_textbook_one() -> None:
    low, high = metrics.wilson_interval(8, 10) or (0, 0)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert (metrics.wilson_interval(10, 10) or (0, 0))[1] == pytest.approx(1)


def test_macro_f1_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    probabilities, labels = rng.dirichlet(np.ones(8), 200).astype(np.float32), rng.integers(0, 6, 200)
    expected = f1_score(labels, probabilities.argmax(1), labels=list(range(6)), average="macro")
    assert metrics.macro_f1(probabilities, labels) == pytest.approx(expected)


def test_an_action_unit_is_present_from_intensity_one_and_unknown_cells_are_left_out() -> None:
    intensities = floats(0, 0.5, 1, 5, np.nan, 0)
    scores = floats(0.1, 0.7, 0.6, 0.9, 0.99, np.nan)
    # of 2 x 2 pairs of a present and an absent face, only 0.6 and 0.7 are in the wrong order
    assert metrics.auroc(scores, intensities) == pytest.approx(3 / 4)
    assert metrics.average_precision(scores, intensities) == pytest.approx((1 + 2 / 3) / 2)
    assert metrics.auroc(scores, floats(0, 0, 0, 0, 0, 0)) is None


def test_auroc_and_average_precision_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    present, scores = rng.integers(0, 2, 100), rng.random(100).astype(np.float32)
    assert metrics.auroc(scores, present.astype(np.float32)) == pytest.approx(roc_auc_score(present, scores))
    expected = average_precision_score(present, scores)
    assert metrics.average_precision(scores, present.astype(np.float32)) == pytest.approx(expected)


def test_auroc_within_an_expression_does_not_see_what_only_the_expression_tells() -> None:
    labels = np.repeat([0, 1], 20)
    present = np.tile(floats(0, 1), 20)
    present[:20:4] = 0  # expression 0: ten and ten; the scores below only depend on the expression
    scores = np.repeat(floats(0.1, 0.9), 20)
    assert metrics.auroc_within(scores, present, labels) == pytest.approx(0.5)
    perfect = scores / 10 + present / 20
    assert metrics.auroc_within(perfect.astype(np.float32), present, labels) == pytest.approx(1.0)


def test_an_expression_with_too_few_faces_of_either_kind_is_left_out() -> None:
    few = metrics.MIN_WITHIN - 1
    present = np.concatenate([np.ones(few), np.zeros(20)]).astype(np.float32)
    assert metrics.auroc_within(present, present, np.zeros(len(present), np.int64)) is None


def test_icc_is_that_of_shrout_and_fleiss() -> None:
    # judges 2 and 3 of the example in Shrout and Fleiss (1979), table 2; the two-way table worked out by hand
    a, b = floats(2, 1, 4, 1, 5, 2), floats(5, 3, 6, 2, 6, 4)
    targets = np.stack([a, b], 1)
    bms = 2 * ((targets.mean(1) - targets.mean()) ** 2).sum() / 5
    residual = targets - targets.mean(1, keepdims=True) - targets.mean(0, keepdims=True) + targets.mean()
    ems = (residual**2).sum() / 5
    assert metrics.icc_3_1(a, b) == pytest.approx((bms - ems) / (bms + ems))
    assert metrics.icc_3_1(a, a + 3) == pytest.approx(1.0)  # consistency ignores a shift
    assert (metrics.icc_3_1(a, 3 * a) or 1) < 0.9  # but not another scale


def test_pearson_of_a_constant_is_none() -> None:
    assert metrics.pearson(floats(1, 2, 3), floats(2, 4, 6)) == pytest.approx(1.0)
    assert metrics.pearson(floats(1, 1, 1), floats(2, 4, 6)) is None


def test_a_subject_is_mapped_by_the_others_only() -> None:
    scores, subjects = floats(0, 1, 2, 0, 1, 2), np.array(["a"] * 3 + ["b"] * 3)
    truth = floats(1, 3, 5, 10, 10, 10)  # a: 1 + 2 x, b: always 10
    assert metrics.mapped_by_other_subjects(scores, truth, subjects).tolist() == [10, 10, 10, 1, 3, 5]


def test_nobody_voted_is_no_label() -> None:
    assert argmax_label(np.zeros((1, 10), np.uint8)).tolist() == [-1]
