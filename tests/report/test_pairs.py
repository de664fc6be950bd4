from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from cnnjobs.report.pairs import paired_result, verdict
from cnnjobs.report.results import ResultsTable
from cnnjobs.report.statistics import summarise
from cnnjobs.runs import RunState
from cnnjobs.spec.sweep import Metric

if TYPE_CHECKING:
    from conftest import Results

ACCURACY, LOSS = Metric(), Metric("validation.loss", "minimize")


@pytest.mark.parametrize(
    ("metric", "changes", "text"),
    [
        (ACCURACY, [], "No seed has finished on both sides yet."),
        (
            ACCURACY,
            [0.03],
            "One seed alone: validation accuracy +3.00 points. One pair of runs cannot tell a change from chance.",
        ),
        (
            ACCURACY,
            [0.01, -0.02, 0.03],
            "Can't be told apart with 3 seeds: validation accuracy +0.67 points, 95 % interval −5.58 to +6.92 points.",
        ),
        (
            ACCURACY,
            [0.02, 0.021, 0.022],
            "Better after the change: validation accuracy +2.10 points, 95 % interval +1.85 to +2.35 points, 3 seeds."
            " So few seeds give a hint; it takes 6 or more to show it.",
        ),
        (
            LOSS,
            [0.2, 0.21, 0.22, 0.2, 0.21, 0.22],
            "Worse after the change: validation loss +0.2100, 95 % interval +0.2006 to +0.2194, 6 seeds.",
        ),
        (
            LOSS,
            [-0.2, -0.21, -0.22, -0.2, -0.21, -0.22],
            "Better after the change: validation loss −0.2100, 95 % interval −0.2194 to −0.2006, 6 seeds.",
        ),
    ],
)
def test_the_words_follow_the_numbers(metric: Metric, changes: list[float], text: str) -> None:
    assert verdict(metric, summarise(changes)) == text


def test_differences_are_taken_within_each_seed(results: Results) -> None:
    results.write_all()
    pair = results.sweep.pairs[0]
    result = paired_result(pair, ResultsTable.load(results.sweep, results.store))
    assert result.differing == "model.batch_norm: false → true"
    found = {each.metric: each for each in result.differences}["test.accuracy"]
    before, after = ([results.metrics(run)["test.accuracy"] for run in side] for side in (pair.before, pair.after))
    changes = [two - one for one, two in zip(before, after, strict=True)]
    assert (found.before, found.after, found.change) == tuple(map(summarise, (before, after, changes)))


def test_a_seed_counts_when_it_finished_on_both_sides(results: Results) -> None:
    pair = results.sweep.pairs[0]
    results.write(pair.before[0], RunState.FAILED, epochs=1)
    results.write(pair.after[0])
    results.write(pair.before[1])
    for run in (pair.before[2], pair.after[2]):
        results.write(run)
    result = paired_result(pair, ResultsTable.load(results.sweep, results.store))
    accuracy = {each.metric: each for each in result.differences}["validation.accuracy"]
    assert accuracy.change.n == accuracy.before.n == accuracy.after.n == 1
    assert accuracy.before.mean == results.metrics(pair.before[2])["validation.accuracy"]
    assert math.isnan(accuracy.change.sd)
    assert result.verdict.startswith("One seed alone")
