"""Scores per class against their definitions, image by image."""

from __future__ import annotations

import numpy as np
import pytest

from cnnjobs.figures.methods.scores import ConfusedPair, class_scores, confusion_matrix, macro_f1, most_confused

CLASSES = ("cat", "dog", "frog", "newt")


def test_the_matrix_counts_every_image_once() -> None:
    draws = np.random.default_rng(0)
    labels, predicted = draws.integers(0, 7, (2, 500))
    matrix = confusion_matrix(labels, predicted, 7)
    expected = np.zeros((7, 7), int)
    for true, other in zip(labels, predicted, strict=True):
        expected[true, other] += 1
    assert np.array_equal(matrix, expected)
    assert confusion_matrix(np.array([1]), np.array([0]), 3).tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 0]]


def test_scores_are_those_of_one_class_against_the_rest() -> None:
    draws = np.random.default_rng(1)
    labels, predicted = draws.integers(0, 4, (2, 200))
    for number, scores in enumerate(class_scores(confusion_matrix(labels, predicted, 4), CLASSES)):
        true, said = labels == number, predicted == number
        assert scores.precision == pytest.approx(true[said].mean())
        assert scores.recall == pytest.approx(said[true].mean())
        assert scores.precision is not None
        assert scores.recall is not None
        assert scores.f1 == pytest.approx(2 / (1 / scores.precision + 1 / scores.recall))


def test_what_has_no_score_has_none() -> None:
    # No frog is predicted, there is no newt, and both newts are wrong.
    labels, predicted = np.array([0, 0, 1, 1, 2]), np.array([0, 3, 1, 3, 0])
    cat, dog, frog, newt = class_scores(confusion_matrix(labels, predicted, 4), CLASSES)
    assert (cat.precision, cat.recall, cat.f1) == (0.5, 0.5, 0.5)
    assert (dog.precision, dog.recall) == (1.0, 0.5)
    assert (frog.precision, frog.recall, frog.f1) == (None, 0.0, 0.0)
    assert (newt.precision, newt.recall, newt.f1) == (0.0, None, 0.0)
    # Classes without images do not count.
    assert macro_f1([cat, dog, frog, newt]) == pytest.approx((0.5 + 2 / 3 + 0) / 3)
    (nobody,) = class_scores(np.zeros((1, 1), np.int64), ["cat"])
    assert (nobody.f1, macro_f1([nobody])) == (None, None)


def test_the_most_confused_pairs_come_first_and_hits_never() -> None:
    matrix = np.array([[90, 7, 3, 0], [7, 80, 0, 1], [0, 0, 5, 0], [0, 0, 2, 18]])
    assert most_confused(matrix, CLASSES, 3) == (
        ConfusedPair("cat", "dog", 7, 0.07),
        ConfusedPair("dog", "cat", 7, 7 / 88),
        ConfusedPair("cat", "frog", 3, 0.03),
    )
    assert len(most_confused(matrix, CLASSES, 99)) == 5
    assert most_confused(np.diag([3, 4, 5, 6]), CLASSES, 5) == ()
