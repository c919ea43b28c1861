"""Decisions recognise rare expressions better at little cost, and stay calibrated on corrupted faces."""

import numpy as np
import pytest

from pmfer.decision import CLEAN_COVERED, POWERS, STRICT_COST, choose_power, coverage_limits, decide, phrase_offset
from pmfer.metrics import accuracy, expected_calibration_error, macro_recall

PRIOR = np.array([0.7, 0.25, 0.05])


def subdued(count: int, signal: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a network that knows its prior, on faces that show their expression with so much signal."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, count, p=PRIOR)
    shown = np.eye(3)[labels] * signal + rng.normal(0, 1, (count, 3))
    return (shown * signal + np.log(PRIOR)).astype(np.float32), labels


def test_the_power_buys_macro_recall_at_the_price_that_was_set() -> None:
    logits, labels = subdued(20_000, 1.6, 0)
    power = choose_power(logits, labels, PRIOR)
    assert power in POWERS
    assert 0 < power < 1
    adjusted = logits - power * np.log(PRIOR)
    assert (macro_recall(adjusted, labels) or 0) > (macro_recall(logits, labels) or 0) + 0.03
    assert (accuracy(adjusted, labels) or 0) > (accuracy(logits, labels) or 0) - STRICT_COST - 1e-9


def test_an_expression_that_no_face_shows_is_not_raised_and_breaks_nothing() -> None:
    logits, labels = subdued(2000, 1.6, 3)
    logits = np.concatenate([logits, np.full((2000, 1), -9.0, np.float32)], axis=1)
    decision = decide(logits, logits, labels, np.array([*PRIOR, 0.0]), (0.0,), {})
    assert decision.power > 0
    assert decision.expression_offsets[:3] == pytest.approx(decision.power * np.log(PRIOR), abs=1e-3)
    assert decision.expression_offsets[3] == 0
    rare = decide(logits, logits, labels, np.array([*PRIOR, 0.00002]), (0.0,), {})  # the card rounds it to 0
    assert np.isfinite(rare.expression_offsets).all()


def test_the_temperature_holds_on_clean_and_on_corrupted_faces() -> None:
    clean, labels = subdued(20_000, 2.2, 1)
    rng = np.random.default_rng(2)
    corrupted = clean + rng.normal(0, 3, clean.shape).astype(np.float32)  # as confident, but more often wrong
    decision = decide(clean, corrupted, labels, PRIOR, (0.0,), {})

    def error(logits: np.ndarray, temperature: float) -> float:
        scaled = (logits - decision.power * np.log(PRIOR)) / temperature
        probabilities = np.exp(scaled - scaled.max(1, keepdims=True))
        return expected_calibration_error(probabilities / probabilities.sum(1, keepdims=True), labels) or 0.0

    assert decision.temperature > 1
    assert error(corrupted, decision.temperature) < 0.7 * error(corrupted, 1.0)
    assert decision.expression_offsets == pytest.approx(decision.power * np.log(PRIOR), abs=1e-3)


def test_half_of_the_scale_is_where_the_table_says_the_unit_shows() -> None:
    logits = np.random.default_rng(3).normal(-4, 1, 10_000).astype(np.float32)
    offset = phrase_offset(logits, 0.12)
    assert ((logits + offset) > 0).mean() == pytest.approx(0.12, abs=0.002)


def test_as_many_clean_faces_count_as_covered_as_may() -> None:
    visible = np.random.default_rng(4).beta([[20, 5]], [[1, 1]], (5_000, 2)).astype(np.float32)
    limits = coverage_limits(visible, ("brow", "mouth"))
    assert limits["mouth"] < limits["brow"]
    covered = visible < np.array([limits["brow"], limits["mouth"]])
    assert covered.any(axis=1).mean() == pytest.approx(CLEAN_COVERED, abs=0.002)
    assert covered[:, 0].mean() == pytest.approx(covered[:, 1].mean(), abs=0.002)
