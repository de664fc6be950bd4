"""Scores of each class: confusion matrix, precision, recall, F1, and the pairs that are confused most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ClassScores:
    """Of one class: how many `images` it has, how often it was `predicted`, how often rightly, and the scores.

    `precision` is of the predictions, `recall` of the images, `f1` their harmonic mean; None for what has none.
    """

    name: str
    images: int
    predicted: int
    right: int

    @property
    def precision(self) -> float | None:
        """Fraction of predictions that are right."""
        return self.right / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        """Fraction of images that are recognised."""
        return self.right / self.images if self.images else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall; 0 where one of them is."""
        return 2 * self.right / (self.predicted + self.images) if self.predicted + self.images else None


@dataclass(frozen=True)
class ConfusedPair:
    """Images of the class `truth` that were taken for `predicted`: how many, and the `share` of all of that class."""

    truth: str
    predicted: str
    count: int
    share: float


def confusion_matrix(labels: NDArray[np.int64], predicted: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
    """labels (N,), predicted (N,) -> counts (true class, predicted class)."""
    counts = np.bincount(labels * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def class_scores(matrix: NDArray[np.int64], classes: Sequence[str]) -> tuple[ClassScores, ...]:
    """The scores of every class from counts (true class, predicted class)."""
    columns = (matrix.sum(axis=1).tolist(), matrix.sum(axis=0).tolist(), matrix.diagonal().tolist())
    return tuple(ClassScores(*row) for row in zip(classes, *columns, strict=True))


def macro_f1(scores: Sequence[ClassScores]) -> float | None:
    """The mean F1 of the classes that have images; None where none has."""
    values = [each.f1 or 0.0 for each in scores if each.images]
    return sum(values) / len(values) if values else None


def most_confused(matrix: NDArray[np.int64], classes: Sequence[str], top: int) -> tuple[ConfusedPair, ...]:
    """The pairs with most mistakes, at most `top`; equal ones in the order of the classes; without mistakes none."""
    mistakes = matrix - np.diag(matrix.diagonal())
    order = np.argsort(-mistakes, axis=None, kind="stable")[:top]
    places = [divmod(place, len(classes)) for place in order.tolist()]
    return tuple(
        ConfusedPair(classes[true], classes[other], int(matrix[true, other]), matrix[true, other] / matrix[true].sum())
        for true, other in places
        if mistakes[true, other]
    )
