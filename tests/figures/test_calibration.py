"""Calibration by its definition, with the values that torchmetrics gives."""

from __future__ import annotations

import numpy as np
import pytest

from cnnjobs.errors import InputError
from cnnjobs.figures.methods.calibration import calibration, confidence_at, fit_temperature


def test_always_sure_to_nine_tenths_and_right_half_of_the_time() -> None:
    found = calibration(np.full(1000, 0.9), np.arange(1000) % 2 == 0)
    assert found.error == pytest.approx(0.4, abs=1e-12)
    assert found.counts.tolist() == [0] * 13 + [1000] + [0, 0]


def test_right_as_often_as_sure_is_no_error() -> None:
    confidence = np.repeat([0.25, 0.5, 0.75], 400)
    right = np.tile(np.arange(4), 300) < np.repeat([1, 2, 3], 400)
    assert calibration(confidence, right).error == pytest.approx(0, abs=1e-12)


def test_edges_belong_to_the_bin_above_and_one_has_its_own() -> None:
    found = calibration(np.array([0.0, 0.2, 0.4, 1.0], np.float32), np.ones(4, bool), bins=5)
    assert found.counts.tolist() == [1, 1, 1, 0, 0, 1]
    assert found.edges.tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])


def test_the_error_is_that_of_torchmetrics() -> None:
    logits, labels = drawn(2000)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = calibration(probabilities.max(1).astype(np.float32), probabilities.argmax(1) == labels)
    # What torchmetrics 1.9.0 says, multiclass_calibration_error(num_classes=10, n_bins=15).
    assert found.error == pytest.approx(0.0285127, abs=1e-6)


def test_a_planted_temperature_is_found() -> None:
    logits, labels = drawn(40_000)
    true = fit_temperature(logits, labels)
    assert true == pytest.approx(1, abs=0.03)
    for factor in (0.25, 3.0):
        assert fit_temperature(factor * logits, labels) == pytest.approx(factor * true, rel=1e-6)
    sure = calibration(confidence_at(3 * logits, 1), (3 * logits).argmax(1) == labels).error
    mended = calibration(confidence_at(3 * logits, 3 * true), (3 * logits).argmax(1) == labels).error
    assert mended < 0.02
    assert sure > 0.1


def test_the_temperature_has_the_least_cross_entropy() -> None:
    logits, labels = drawn(500)

    def cross_entropy(temperature: float) -> float:
        scaled = logits / temperature
        return float((np.log(np.exp(scaled).sum(1)) - scaled[np.arange(len(labels)), labels]).mean())

    best = fit_temperature(logits, labels)
    assert cross_entropy(best) < min(cross_entropy(0.98 * best), cross_entropy(1.02 * best))


def test_images_that_are_all_right_or_all_wrong_have_no_temperature() -> None:
    logits, _ = drawn(50)
    for labels in (logits.argmax(1), logits.argmin(1)):
        with pytest.raises(InputError, match="no temperature from"):
            fit_temperature(logits, labels)


def drawn(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, 10), and labels drawn from their probabilities: calibrated."""
    draws = np.random.default_rng(0)
    logits = 2 * draws.standard_normal((number, 10))
    gumbel = -np.log(-np.log(draws.random((number, 10))))
    return logits, (logits + gumbel).argmax(1)
