"""Calibration of a network: calibration error, and the temperature that mends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cnnjobs.errors import InputError

BINS: Final = 15
# Of a range of four orders of magnitude: enough for double precision.
_HALVINGS: Final = 50
_LARGEST: Final = 100.0


@dataclass(frozen=True, eq=False)
class Calibration:
    """`error` is the expected calibration error in [0, 1]; of each bin `counts`, mean `confidence` and `accuracy`.

    `edges` (bins + 1,) are those of the bins. The last bin (index `bins`) holds confidences of exactly 1.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def error(self) -> float:
        """The mean distance of confidence and accuracy over the bins, each weighted by its images."""
        return float((self.counts * np.abs(self.accuracy - self.confidence)).sum() / self.counts.sum())


def calibration(confidence: NDArray[Any], right: NDArray[np.bool_], bins: int = BINS) -> Calibration:
    """confidence (N,) of the predicted classes, and whether each is right (N,) -> how they agree in equal bins.

    Bins hold their lower edge, and 1 has one of its own, as in torchmetrics 1.9 (`multiclass_calibration_error`).
    """
    confidence = confidence.astype(np.float64)
    edges = np.linspace(0, 1, bins + 1)
    # torchmetrics compares in single precision.
    place = np.searchsorted(edges.astype(np.float32), confidence.astype(np.float32), side="right") - 1
    counts = np.bincount(place, minlength=bins + 1)
    sums = (np.bincount(place, weights=values, minlength=bins + 1) for values in (confidence, right))
    means = (total / np.maximum(counts, 1) for total in sums)
    return Calibration(edges, counts, *means)


def confidence_at(logits: NDArray[Any], temperature: float) -> NDArray[np.float64]:
    """logits (N, classes) -> the largest probability (N,) when they are divided by the temperature."""
    scaled = logits.astype(np.float64) / temperature
    return np.asarray(1 / np.exp(scaled - scaled.max(axis=1, keepdims=True)).sum(axis=1))


def fit_temperature(logits: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """The temperature with the least cross-entropy on logits (N, classes), labels (N,) (Guo et al. 2017, 1706.04599).

    Raises InputError where there is none in 0.01 to 100: all are right, or the classes are no better than guessed.
    """
    logits = logits.astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    wanted = logits[np.arange(len(labels)), labels].mean()

    def slope(inverse: float) -> float:
        """Slope of the cross-entropy by 1 / temperature: it is convex, so this grows."""
        weights = np.exp(inverse * logits)
        return float(((weights * logits).sum(axis=1) / weights.sum(axis=1)).mean() - wanted)

    low, high = 1 / _LARGEST, _LARGEST
    if slope(low) >= 0 or slope(high) <= 0:
        raise InputError("no temperature from 0.01 to 100 fits the validation images: leave --temperature out")
    for _ in range(_HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return float(1 / (low * high) ** 0.5)
