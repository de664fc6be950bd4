from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cnnjobs.report.fitting import fit_of, fit_of_run, fit_row

if TYPE_CHECKING:
    from conftest import Results


def lines(losses: list[float]) -> list[dict[str, float]]:
    return [{"epoch": (place + 1) / 2, "validation.loss": loss} for place, loss in enumerate(losses)]


def metrics(train: float, validation: float) -> dict[str, float]:
    return {"train.accuracy": train, "validation.accuracy": validation}


@pytest.mark.parametrize(
    ("losses", "train", "validation", "row"),
    [
        (
            [1.0, 0.8, 0.7, 0.8, 0.9, 1.05],
            0.95,
            0.75,
            ("+20.00 points", "+50.0 %", "+35.7 %", "overfits: the validation loss rises while training goes on"),
        ),
        (
            [1.0, 0.8, 0.7, 0.7, 0.7, 0.7],
            0.95,
            0.75,
            ("+20.00 points", "+0.0 %", "+0.0 %", "overfits: training is far ahead of validation"),
        ),
        (
            [1.0, 0.9, 0.8, 0.7, 0.6, 0.5],
            0.70,
            0.69,
            (
                "+1.00 points",
                "+0.0 %",
                "−40.0 %",
                "underfits: the validation loss still falls, more epochs would help",
            ),
        ),
        (
            [1.0, 0.6, 0.5, 0.501, 0.5, 0.5],
            0.76,
            0.74,
            ("+2.00 points", "+0.0 %", "−0.2 %", "neither: the validation loss has levelled off"),
        ),
        (
            # It falls again after a rise, and stays above where it was.
            [1.0, 0.5, 0.6, 0.55, 0.53, 0.51],
            0.76,
            0.74,
            ("+2.00 points", "+2.0 %", "−8.0 %", "neither: the validation loss has levelled off"),
        ),
        ([1.0, 0.9], 0.7, 0.7, ("+0.00 points", "–", "–", "too few validations to tell")),
    ],
)
def test_the_verdict_follows_the_curves(
    losses: list[float], train: float, validation: float, row: tuple[str, ...]
) -> None:
    fit = fit_of_run(lines(losses), metrics(train, validation))
    assert fit is not None
    assert fit_row(fit) == row


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
