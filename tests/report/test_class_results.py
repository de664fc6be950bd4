from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from cnnjobs.report.analysis.class_results import class_results, classes_grid
from cnnjobs.training.data.test_predictions import Outcome, outcome_to_bytes

if TYPE_CHECKING:
    from conftest import Results

TEXT = "base: {dataset: fashion_mnist_mini, model: cnn, epochs: 1}\nseeds: 3\n"
LABELS = np.array([0, 0, 0, 0, 1, 1])


def keep(results: Results, said: list[list[int]]) -> None:
    """Keep each run's predictions for the test images."""
    for run, predicted in zip(results.sweep.runs, said, strict=False):
        outcome = Outcome(LABELS, np.array(predicted), np.ones(len(LABELS), np.float32))
        results.store.run(run.run_id).predictions_file.write_bytes(outcome_to_bytes(outcome))


def test_scores_are_means_over_the_seeds_that_kept_what_they_said(make_results: Callable[..., Results]) -> None:
    results = make_results(TEXT)
    for run in results.sweep.runs:
        results.write(run, classes=("zebra", "mule", "ox"))
    table = results.table()
    assert class_results(table, table.ranked()[0]) is None
    keep(results, [[0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 0]])
    results.store.run(results.sweep.runs[2].run_id).predictions_file.write_bytes(b"torn")
    found = class_results(table, table.ranked()[0])
    assert found is not None
    assert classes_grid(found).rows == (
        ("zebra", "4", "83.33 ± 23.57 %", "62.50 ± 17.68 %", "71.43 ± 20.20 %"),
        ("mule", "2", "50.00 ± 23.57 %", "75.00 ± 35.36 %", "60.00 ± 28.28 %"),
        ("ox", "0", "–", "–", "–"),
        ("mean of the classes", "", "66.67 ± 23.57 %", "68.75 ± 26.52 %", "65.71 ± 24.24 %"),
    )
    assert found.confused.endswith(": zebra taken for mule (37.5 %) and mule taken for zebra (25.0 %).")
    assert "damaged" in found.left_out
