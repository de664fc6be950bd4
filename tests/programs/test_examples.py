"""Programs in the manner of each kind, on the pages too, run by their sweep files: each metric is there at its step."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.disk.run_folder import RunState
from cnnjobs.sweep.file import read_sweep
from tests.programs.conftest import Runs
from tests.shared.program_examples import REPORTS, write_example, write_page


def execute(runs: Runs, name: str) -> None:
    """Execute the first run of an example's sweep, that of a folder or of a page, in the working folder."""
    write_example(name, Path.cwd())
    config = read_sweep(Path("sweep.yaml")).runs[0].config
    assert runs.attempt(**config.model_dump()) is RunState.FINISHED, runs.said


@pytest.mark.parametrize(("name", "metric", "expected", "source"), REPORTS)
def test_an_example_reports_every_step(runs: Runs, name: str, metric: str, expected: Any, source: str) -> None:
    execute(runs, name)
    assert [(step, pytest.approx(value)) for step, value in expected] == runs.values(metric)
    assert runs.record.metrics[metric] == pytest.approx(expected[-1][1])
    assert f"metrics came by {source}" in runs.record.notes


def test_the_page_of_wandb_ends_in_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_page("from-wandb.md", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "cnnjobs", "local", "sweep.yaml"],
        env={**os.environ, "WANDB_MODE": "disabled"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "results" / "sweep" / "report" / "tables" / "runs.csv").open() as file:
        values = {row["lr"]: float(row["loss"]) for row in csv.DictReader(file)}
    assert values == {"0.25": 0.0625, "0.125": 0.3164}
