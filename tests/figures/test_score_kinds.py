"""Figures of scores: what is drawn is what the network says, kept or asked again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from cnnjobs import registry
from cnnjobs.errors import InputError
from cnnjobs.figures.drawing.figure import Drawing
from cnnjobs.figures.drawing.style import png_bytes
from cnnjobs.figures.methods.score_charts import class_chart, confusion_chart
from cnnjobs.figures.methods.scores import class_scores
from cnnjobs.figures.network.predictions import find_logits, find_outcome
from cnnjobs.figures.network.subject import Subject
from cnnjobs.training.data.test_predictions import Outcome, outcome_to_bytes


def nothing(done: int, total: int) -> None:
    """Progress that nobody looks at."""


def draw(subject: Subject, kind: str, **options: Any) -> list[Drawing]:
    given = {"subject": subject, "progress": nothing}
    return list(registry.find("figure", kind).build(given=given, options=options))


@pytest.fixture
def kept(subject: Subject) -> Outcome:
    """Predictions that the run has kept of its 8 test images, unlike the network's own."""
    labels, predicted = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([0, 0, 0, 1, 0, 0, 1, 1])
    outcome = Outcome(labels, predicted, np.array([0.9, 0.8, 0.7, 0.6, 0.95, 0.95, 0.7, 0.6], np.float32))
    assert subject.folder is not None
    subject.folder.predictions_file.write_bytes(outcome_to_bytes(outcome))
    return outcome


def test_what_a_run_has_kept_is_not_asked_again(subject: Subject, kept: Outcome) -> None:
    without_data = replace(subject, config=None)
    assert np.array_equal(find_outcome(without_data, "test", nothing).predicted, kept.predicted)
    with pytest.raises(InputError, match="has no data set"):
        find_outcome(without_data, "train", nothing)
    assert subject.folder is not None
    subject.folder.predictions_file.write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"predictions\.npz: damaged .*; without this file"):
        find_outcome(subject, "test", nothing)


def test_what_is_not_kept_is_asked(subject: Subject) -> None:
    moves: list[tuple[int, int]] = []
    found = find_outcome(subject, "test", lambda done, total: moves.append((done, total)))
    assert moves == [(8, 8)]
    inputs = torch.cat([image.inputs for image in subject.images(range(8))])
    probabilities = subject.model(inputs).detach().softmax(1)
    assert found.labels.tolist() == [0] * 4 + [1] * 4
    assert found.predicted.tolist() == probabilities.argmax(1).tolist()
    assert np.allclose(found.confidence, probabilities.amax(1).numpy(), atol=1e-6)


def test_classes_are_matched_by_their_names(subject: Subject) -> None:
    wider = replace(subject, classes=("light", "dusk", "dark"))
    _, labels = find_logits(wider, "test", nothing)
    assert labels.tolist() == [2] * 4 + [0] * 4
    other = replace(subject, classes=("light", "cat"))
    with pytest.raises(InputError, match=r"does not tell 1 classes of data set `shades`, `dark` among them"):
        find_outcome(other, "test", nothing)


def test_confusion_of_a_split(subject: Subject, kept: Outcome) -> None:
    matrix, classes, pairs = draw(subject, "confusion")
    assert matrix.data["counts"].tolist() == [[3, 1], [2, 2]]
    assert [dict(row) for row in matrix.table] == [
        {"true class": "dark", "dark": 3, "light": 1},
        {"true class": "light", "dark": 2, "light": 2},
    ]
    cells = {text.get_text() for text in matrix.figure.axes[0].texts}
    assert cells == {"3", "1", "2"}
    assert np.allclose(matrix.figure.axes[0].images[0].get_array(), [[0.75, 0.25], [0.5, 0.5]])  # type: ignore[arg-type]
    assert "62.5% right" in matrix.caption
    assert classes.table[0] == {
        "class": "dark", "images": 4, "predicted": 5, "right": 3, "precision": 0.6, "recall": 0.75, "f1": 2 * 3 / 9
    }  # fmt: skip
    assert pairs.data["counts"].tolist() == [2, 1]
    assert "the first took light for dark 2 times" in pairs.caption


def test_a_network_that_is_always_right_confuses_nothing(subject: Subject) -> None:
    right = np.array([0, 1] * 4)
    assert subject.folder is not None
    sure = Outcome(right, right, np.full(8, 1, np.float32))
    subject.folder.predictions_file.write_bytes(outcome_to_bytes(sure))
    assert [drawing.name for drawing in draw(subject, "confusion")] == ["confusion-test", "confusion-test-classes"]
    with pytest.raises(InputError, match="makes no mistake on 8 test images"):
        draw(subject, "mistakes")
    (drawing,) = draw(subject, "calibration")
    assert drawing.facts["error"] == 0


def test_mistakes_are_the_surest_ones_with_their_numbers(subject: Subject, kept: Outcome) -> None:
    (drawing,) = draw(subject, "mistakes")
    # Equally sure ones in the order of their numbers.
    assert drawing.data["indices"].tolist() == [4, 5, 3]
    titles = [axes.get_title().replace("\n", " ") for axes in drawing.figure.axes]
    assert titles == ["4: dark 95% (light)", "5: dark 95% (light)", "3: light 60% (dark)"]
    assert np.array_equal(drawing.data["images"][2], subject.image("3").shown)
    (fewer,) = draw(subject, "mistakes", top=1)
    assert fewer.data["indices"].tolist() == [4]


def test_calibration_with_and_without_a_temperature(subject: Subject, kept: Outcome) -> None:
    (plain,) = draw(subject, "calibration")
    assert plain.facts["error"] == pytest.approx(
        abs(0.9 - 1) / 8 + abs(0.8 - 1) / 8 + 0.3 * 2 / 8 + 0.1 * 2 / 8 + 0.95 * 2 / 8
    )
    assert plain.facts["temperature"] is None


def test_calibration_with_a_temperature(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    # Three of four are right, and the network is sure to 98 %.
    planted = np.tile([[4.0, 0.0]], (400, 1)), np.repeat([0, 0, 0, 1], 100)
    asked: list[str] = []

    def find(_: Subject, split: str, __: Any) -> Any:
        asked.append(split)
        return planted

    monkeypatch.setattr("cnnjobs.figures.kinds.calibration.find_logits", find)
    (drawing,) = draw(subject, "calibration", temperature=True)
    assert asked == ["validation", "test"]
    assert drawing.facts["temperature"] == pytest.approx(4 / np.log(3), rel=1e-6)
    assert drawing.facts["error"] == pytest.approx(1 / (1 + np.exp(-4)) - 0.75)
    assert drawing.facts["error_with_temperature"] == pytest.approx(0, abs=1e-6)
    assert f"the temperature, fitted on validation images, is {4 / np.log(3):.3f}" in drawing.caption


def test_a_hundred_classes_are_readable() -> None:
    names = [f"class number {number}" for number in range(100)]
    matrix = np.random.default_rng(0).poisson(0.3, (100, 100)) + 70 * np.eye(100, dtype=np.int64)
    figure = confusion_chart(matrix, names, "title")
    width, height = figure.get_size_inches()
    assert max(width, height) < 20
    assert len(figure.axes[0].texts) == np.count_nonzero(matrix)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()][-1] == names[-1]
    many = confusion_chart(np.eye(300, dtype=np.int64), [str(number) for number in range(300)], "title")
    assert not many.axes[0].texts
    assert png_bytes(class_chart(class_scores(matrix, names)[:3], "title"))
