from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cnnjobs.report.sections.best import best_sweep
from cnnjobs.sweep.file import read_sweep

if TYPE_CHECKING:
    from conftest import Results

RICH = """
name: "größte & 100%_# 🏔"
base:
  dataset: {name: fashion_mnist_mini, subset: 1000}
  model: {name: cnn, filters: [8, 16, 32]}
  augment: [flip, {name: crop, padding: 2}]
  freeze: {all_but: ["fc*"]}
  optimizer: {name: adam, betas: [0.85, 0.999]}
  weight_decay: 1e-5
variants: {"so: la": {epochs: 2}, "<b>": {epochs: 3}}
seeds: [3, 11]
report: {targets: {test.accuracy: 0.5}}
metric: {name: validation.loss, goal: minimize, target: 0.4}
job: {profile: local, max_parallel: 2}
"""


@pytest.mark.parametrize("text", [None, RICH])
def test_reading_it_gives_the_same_runs(text: str | None, make_results: Callable[..., Results], tmp_path: Path) -> None:
    results = make_results(text, drawn=False) if text else make_results(drawn=False)
    results.write_all()
    table = results.table()
    ranked = table.ranked()
    (tmp_path / "best.yaml").write_text(best_sweep(table, ranked), encoding="utf-8")
    best = read_sweep(tmp_path / "best.yaml")
    assert [run.run_id for run in best.runs] == [run.run_id for run in ranked[0].configuration.runs]
    assert best.name == f"{results.sweep.name}-best"
    assert (best.metric, best.job, best.report.targets) == (
        results.sweep.metric,
        results.sweep.job,
        results.sweep.report.targets,
    )


def test_without_a_finished_run_there_is_none(results: Results) -> None:
    assert best_sweep(results.table(), []) == ""
