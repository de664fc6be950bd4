from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cnnjobs.disk.run_folder import RunState
from cnnjobs.report.analysis.pairs import multiplicity, paired_result, verdict
from cnnjobs.report.results.statistics import summarise
from cnnjobs.report.results.table import ResultsTable
from cnnjobs.report.sections.tables import changes_grid
from cnnjobs.sweep.file import Metric
from cnnjobs.training.data.test_predictions import Outcome, outcome_to_bytes

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
            "No clear difference: validation accuracy +0.67 points, 95 % interval −5.58 to +6.92 points, 3 seeds."
            " It would take about 58 seeds to tell one of this size from chance.",
        ),
        (
            # With three seeds p would be 0.25, whatever they say.
            ACCURACY,
            [0.02, 0.021, 0.022],
            "Seems to help: validation accuracy +2.10 points, 95 % interval +1.85 to +2.35 points, 3 seeds."
            " It takes 6 or more seeds to show it.",
        ),
        (
            LOSS,
            [0.02, 0.021, 0.022],
            "Seems to hurt: validation loss +0.0210, 95 % interval +0.0185 to +0.0235, 3 seeds."
            " It takes 6 or more seeds to show it.",
        ),
        (
            LOSS,
            [0.2, 0.21, 0.22, 0.2, 0.21, 0.22],
            "Hurts: validation loss +0.2100, 95 % interval +0.2006 to +0.2194, 6 seeds, p = 0.031 by exact sign flips.",
        ),
        (
            LOSS,
            [-0.2, -0.21, -0.22, -0.2, -0.21, -0.22],
            "Helps: validation loss −0.2100, 95 % interval −0.2194 to −0.2006, 6 seeds, p = 0.031 by exact sign flips.",
        ),
        (
            # The interval leaves out zero, and p is above 0.05.
            ACCURACY,
            [0.02, 0.03, 0.025, 0.02, 0.03, -0.003],
            "Seems to help: validation accuracy +2.03 points, 95 % interval +0.75 to +3.32 points, 6 seeds,"
            " p = 0.062 by exact sign flips.",
        ),
        (
            ACCURACY,
            [0.01, -0.01, 0.02, -0.02, 0.01, -0.02],
            "No clear difference: validation accuracy −0.17 points, 95 % interval −1.97 to +1.64 points, 6 seeds,"
            " p = 1 by exact sign flips. It would take about 413 seeds to tell one of this size from chance.",
        ),
    ],
)
def test_the_words_follow_the_numbers(metric: Metric, changes: list[float], text: str) -> None:
    assert verdict(metric, changes) == text


@pytest.mark.parametrize("count", [2, 3, 5, 6, 7])
def test_what_is_called_clear_never_stands_beside_a_large_p(count: int, make_results: Callable[..., Results]) -> None:
    text = "base: {dataset: fashion_mnist_mini, model: lenet5, epochs: 1}\nmethod: grid\n"
    text += f"parameters: {{lr: {{values: [0.1, 0.2]}}}}\nseeds: {count}\n"
    text += "compare: [{title: lr, before: {lr: 0.1}, after: {lr: 0.2}}]\n"
    results = make_results(text)
    for place, run in enumerate(results.sweep.runs):
        results.write(run, metrics={"validation.accuracy": 0.5 + 0.1 * (run.config.lr == 0.2) + 0.001 * place})
    table = results.table()
    ((_, _, word, _, _, p, *_),) = changes_grid([paired_result(results.sweep.pairs[0], table)], Metric()).rows
    assert word == ("Helps" if count >= 6 else "Seems to help")
    assert (p == "–") if count < 6 else (float(p) < 0.05)


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


def test_networks_of_a_seed_are_compared_image_by_image(results: Results) -> None:
    results.write_all()
    pair = results.sweep.pairs[0]
    labels = np.zeros(1000, dtype=np.int64)
    for side, wrong in ((pair.before, 40), (pair.after, 10)):
        predicted = labels.copy()
        predicted[:wrong] = 1
        outcome = Outcome(labels, predicted, np.full(1000, 0.5, dtype=np.float32))
        results.store.run(side[0].run_id).predictions_file.write_bytes(outcome_to_bytes(outcome))
    results.store.run(pair.before[1].run_id).predictions_file.write_bytes(b"damaged")
    result = paired_result(pair, ResultsTable.load(results.sweep, results.store))
    ((seed, test),) = result.images
    assert (seed, test.only_before, test.only_after) == (0, 0, 30)
    assert test.p == 2.0**-29


def test_many_comparisons_come_with_a_warning() -> None:
    assert multiplicity(1) == ""
    assert "about 0.3 of these" in multiplicity(6)


def test_what_helped_most_comes_first(make_results: Callable[..., Results]) -> None:
    text = "base: {dataset: fashion_mnist_mini, model: lenet5, epochs: 1}\nmethod: grid\n"
    text += "parameters: {lr: {values: [0.1, 0.2, 0.3, 0.4]}}\nseeds: 2\ncompare:\n"
    for after in (0.2, 0.3, 0.4):
        text += f"  - {{title: to {after}, before: {{lr: 0.1}}, after: {{lr: {after}}}}}\n"
    results = make_results(text)
    for run, accuracy in zip(results.sweep.runs, (0.5, 0.5, 0.6, 0.61, 0.7, 0.71), strict=False):
        results.write(run, metrics={"validation.accuracy": accuracy, "test.accuracy": accuracy - 0.1})
    table = results.table()
    grid = changes_grid([paired_result(pair, table) for pair in results.sweep.pairs], results.sweep.metric)
    assert [row[0] for row in grid.rows] == ["to 0.3", "to 0.2", "to 0.4"]
    assert grid.rows[0][1:4] == ("lr: 0.1 → 0.3", "Seems to help", "+20.50")
    assert grid.rows[2][2:4] == ("No seed has finished on both sides yet.", "–")
