from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cnnjobs.report.analysis.fitting import Fit, fit_of, fit_of_run, fit_row

if TYPE_CHECKING:
    from conftest import Results


def lines(losses: list[float]) -> list[dict[str, float]]:
    return [{"epoch": (place + 1) / 2, "validation.loss": loss} for place, loss in enumerate(losses)]


def metrics(train: float, validation: float) -> dict[str, float]:
    return {"train.accuracy": train, "validation.accuracy": validation}


LEVEL = [1.0, 0.6, 0.5, 0.501, 0.5, 0.5]
RISING = [1.0, 0.8, 0.7, 0.8, 0.9, 1.05]
FALLING = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]


@pytest.mark.parametrize(
    ("losses", "train", "validation", "row"),
    [
        (
            RISING, 0.95, 0.75,
            ("+20.00 points", "+50.0 %", "+35.7 %", "strong overfitting: gap 20.00 points, loss rising"),
        ),
        (RISING, 0.76, 0.74, ("+2.00 points", "+50.0 %", "+35.7 %", "some overfitting: gap 2.00 points, loss rising")),
        (
            LEVEL, 0.95, 0.75,
            ("+20.00 points", "+0.0 %", "−0.2 %", "strong overfitting: gap 20.00 points, loss not rising yet"),
        ),
        # 98.0 against 89.7 %.
        (
            LEVEL, 0.98, 0.897,
            ("+8.30 points", "+0.0 %", "−0.2 %", "some overfitting: gap 8.30 points, loss not rising yet"),
        ),
        (
            FALLING, 0.98, 0.897,
            ("+8.30 points", "+0.0 %", "−40.0 %", "some overfitting: gap 8.30 points, loss still falling"),
        ),
        (
            FALLING, 0.70, 0.69,
            (
                "+1.00 points", "+0.0 %", "−40.0 %",
                "strong underfitting: loss falls by 40.0 % an epoch, more epochs would help",
            ),
        ),
        (LEVEL, 0.76, 0.74, ("+2.00 points", "+0.0 %", "−0.2 %", "neither: gap 2.00 points, loss has levelled off")),
        # It falls again after a rise, and stays above where it was.
        (
            [1.0, 0.5, 0.6, 0.55, 0.53, 0.51], 0.73, 0.74,
            ("−1.00 points", "+2.0 %", "−8.0 %", "neither: gap −1.00 points, loss has levelled off"),
        ),
        ([1.0, 0.9], 0.7, 0.7, ("+0.00 points", "–", "–", "too few validations to tell: gap 0.00 points")),
    ],
)  # fmt: skip
def test_the_verdict_follows_the_curves(
    losses: list[float], train: float, validation: float, row: tuple[str, ...]
) -> None:
    fit = fit_of_run(lines(losses), metrics(train, validation))
    assert fit is not None
    assert fit_row(fit) == row


@pytest.mark.parametrize(
    ("gap", "rise", "fall", "grade"),
    [
        (0.1, 0.0, 0.0, "some overfitting"),
        (0.1001, 0.0, 0.0, "strong overfitting"),
        (0.05, 0.0, 0.0, "neither"),
        (0.0501, 0.0, 0.0, "some overfitting"),
        (0.05, 0.0501, 0.0, "some overfitting"),
        (0.0501, 0.0501, 0.0, "strong overfitting"),
        (0.0501, 0.05, 0.0, "some overfitting"),
        (0.0, 0.05, 0.0, "neither"),
        (0.0, 0.0501, 0.0, "some overfitting"),
        (0.0, 0.0, 0.01, "neither"),
        (0.0, 0.0, 0.0101, "some underfitting"),
        (0.0, 0.0, 0.05, "some underfitting"),
        (0.0, 0.0, 0.0501, "strong underfitting"),
        (0.0501, 0.0, 0.0501, "some overfitting"),
    ],
)
def test_grades_begin_beyond_their_limits(gap: float, rise: float, fall: float, grade: str) -> None:
    # Such sums are what differences of accuracies come to.
    assert Fit(gap + 1e-16, rise + 1e-16, -fall - 1e-16, 1.0).verdict.startswith(f"{grade}:")


@pytest.mark.parametrize(("late", "grade"), [(0.49, "neither"), (0.5, "some underfitting")])
def test_what_falls_only_in_few_runs_is_no_underfitting(late: float, grade: str) -> None:
    assert Fit(0.0, 0.0, -0.02, late).verdict.startswith(f"{grade}:")


def test_a_run_without_validation_images_has_no_fit() -> None:
    assert fit_of_run(lines([1.0] * 5), {"train.accuracy": 0.5}) is None


def test_a_configuration_is_the_mean_of_its_finished_runs(results: Results) -> None:
    configuration = results.table().configurations[0]
    assert fit_of(results.table(), configuration) is None
    for run in configuration.runs[:2]:
        results.write(run)
    fit = fit_of(results.table(), configuration)
    assert fit is not None
    found = [results.metrics(run) for run in configuration.runs[:2]]
    gaps = [each["train.accuracy"] - each["validation.accuracy"] for each in found]
    assert fit.gap == pytest.approx(sum(gaps) / 2)
