"""A sweep's results, written the way that training writes them but made up."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.disk.run_folder import Attempt, RunRecord, RunState, RunStore
from cnnjobs.report.results.table import ResultsTable
from cnnjobs.sweep.file import Sweep, SweepRun, read_sweep

STEPS_PER_EPOCH = 84
TEXT = """
name: comparison
description: Does batch normalisation help?
base: {dataset: fashion_mnist_mini, model: cnn, epochs: 4, validate_every: 0.5}
parameters:
  lr: {values: [0.1, 0.01]}
  model.batch_norm: {values: [false, true]}
method: grid
seeds: 3
compare:
  - title: Batch normalisation
    before: {lr: 0.1, model.batch_norm: false}
    after: {lr: 0.1, model.batch_norm: true}
report:
  targets: {test.accuracy: 0.8}
"""

ATTEMPT = Attempt(
    number=1, host="node7", pid=11, threads=2, started="2026-03-01T09:00:00+00:00", ended="2026-03-01T09:02:00+00:00",
    seconds=120.0,
)  # fmt: skip


class Results:
    """A sweep file and made-up results of its runs."""

    def __init__(self, folder: Path, text: str = TEXT) -> None:
        path = folder / "sweep.yaml"
        path.write_text(text, encoding="utf-8")
        self.sweep: Sweep = read_sweep(path)
        self.store = RunStore(folder / "results" / self.sweep.name)
        self.store.keep_sweep_file(text)

    def write(
        self, run: SweepRun, state: RunState = RunState.FINISHED, *, epochs: float | None = None, **changes: Any
    ) -> None:
        """One run's folder: metrics for `epochs` epochs, and a record in `state`."""
        folder = self.store.run(run.run_id)
        folder.create(run.config)
        lines = curve_lines(run, run.config.epochs if epochs is None else epochs)
        with folder.claim() as log:
            assert log is not None
            for line in lines:
                log.append(line)
        record = RunRecord(
            run_id=run.run_id,
            state=state,
            attempts=(ATTEMPT,),
            versions={"python": "3.11.2", "torch": "2.15.0"},
            git_commit="0123456789abcdef",
            git_dirty=False,
            planned_epochs=run.config.epochs,
            epochs_done=lines[-1]["epoch"] if lines else 0.0,
            input_shape=(1, 28, 28),
            classes=tuple("0123456789"),
            num_images={"train": 5400, "validation": 600, "test": 1000},
        )
        if state is RunState.FINISHED:
            best = min(lines, key=lambda line: line["validation.loss"])
            record = record.model_copy(update={"best_epoch": best["epoch"], "metrics": final_metrics(run)})
        folder.write_record(record.model_copy(update=changes))

    def table(self) -> ResultsTable:
        """Table of them now."""
        return ResultsTable.load(self.sweep, self.store)

    def metrics(self, run: SweepRun) -> dict[str, float]:
        """The final metrics of a finished run."""
        return final_metrics(run)

    def write_all(self) -> None:
        """Every run finished."""
        for run in self.sweep.runs:
            self.write(run)


def quality(run: SweepRun) -> float:
    """Quality of a run: a number in (0, 1) that its configuration and seed decide."""
    config = run.config
    better = 0.04 * bool(config.model.options.get("batch_norm")) + 0.02 * (config.lr == 0.1)
    luck = random.Random(run.run_id).uniform(-0.004, 0.004)
    return 0.8 + better + 0.005 * (config.seed - 1) + round(luck, 4)


def final_metrics(run: SweepRun) -> dict[str, float]:
    """Accuracies around the run's quality, losses to match."""
    accuracy = {"train": quality(run) + 0.05, "validation": quality(run), "test": quality(run) - 0.01}
    metrics = {}
    for name, value in accuracy.items():
        metrics |= {f"{name}.loss": round(2.0 - 1.8 * value, 6), f"{name}.accuracy": round(value, 6)}
    return metrics


def curve_lines(run: SweepRun, epochs: float) -> list[dict[str, Any]]:
    """Lines of metrics.jsonl, one per half epoch, with a window for every seventh step."""
    draws = random.Random(run.run_id)
    best, lines, last = quality(run), [], 0
    for number in range(1, round(2 * epochs) + 1):
        step = number * STEPS_PER_EPOCH // 2
        ends = list(range(last + 7, step + 1, 7))
        rise = [1 - math.exp(-end / STEPS_PER_EPOCH) for end in ends]
        accuracy = [(best + 0.04) * part + draws.gauss(0, 0.01) for part in rise]
        loss = [2.3 - 2.0 * value + draws.gauss(0, 0.03) for value in accuracy]
        reached = best * (1 - math.exp(-step / STEPS_PER_EPOCH))
        lines.append(
            {
                "attempt": 1, "step": step, "epoch": step / STEPS_PER_EPOCH, "seconds": 10.0 * number,
                "images_per_s": 540.0, "lr": run.config.lr,
                "train.loss": sum(loss) / len(loss), "train.accuracy": sum(accuracy) / len(accuracy),
                "validation.loss": 2.3 - 2.0 * reached, "validation.accuracy": reached,
                "windows": {"step": ends, "loss": loss, "sd": [0.1] * len(ends), "accuracy": accuracy},
            }
        )  # fmt: skip
        last = step
    return lines


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """The sweep of four configurations and three seeds, nothing started."""
    return Results(tmp_path)


@pytest.fixture
def make_results(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Results]:
    """The results of a sweep file with this text, or of the usual one with another metric or without figures."""

    def make(text: str = TEXT, *, metric: str = "", drawn: bool = True) -> Results:
        text += f"metric: {{name: {metric}}}\n" if metric else ""
        made = Results(tmp_path_factory.mktemp("sweep"), text)
        if not drawn:
            made.sweep = replace(made.sweep, report=replace(made.sweep.report, figures=("none",)))
        return made

    return make


@pytest.fixture(scope="module")
def module_results(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Results]:
    """The results of a sweep file with this text, for all tests of a module."""
    return lambda text: Results(tmp_path_factory.mktemp("sweep"), text)
