"""W&B's adaptive sweep file with a program of one's own, unchanged, from its file to its report."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from cnnjobs.disk.run_folder import RunStore
from cnnjobs.search.folder import SearchFolder

PROGRAM = """\
import json, math, os, sys

asked = json.loads(sys.argv[1])
quality = math.exp(-abs(math.log10(asked["lr"]) + 2)) + asked["model"]["width"] / 100
with open(os.environ["CNNJOBS_METRICS"], "a") as file:
    for epoch in range(9):
        file.write(json.dumps({"val_loss": 2 - quality * (1 - math.exp(-(epoch + 1) / 3))}) + "\\n")
"""
SWEEP = """\
program: train.py
method: bayes
metric: {name: val_loss, goal: minimize}
run_cap: 9
early_terminate: {type: hyperband, min_iter: 2, eta: 2}
command: ["${env}", "${interpreter}", "${program}", "${args_json}"]
parameters:
  lr: {distribution: log_uniform_values, min: 0.00001, max: 1}
  model:
    parameters:
      width: {values: [8, 16, 32]}
search: {startup: 4, parallel: 2}
"""


class Folder:
    """A folder with the program and its sweep file."""

    def __init__(self, path: Path, sweep: str = SWEEP) -> None:
        self.path, self.store = path, RunStore(path / "results" / "sweep")
        path.mkdir()
        (path / "train.py").write_text(PROGRAM)
        (path / "sweep.yaml").write_text(sweep)

    def call(self, *words: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "cnnjobs", *words]
        done = subprocess.run(
            command, cwd=self.path, text=True, capture_output=True, check=False, env={**os.environ, "COLUMNS": "300"}
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def decisions(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in SearchFolder(self.store).path.iterdir()}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("search") / "project")
    said = folder.call("local", "sweep.yaml", "--set", "job.max_parallel=2")
    assert "search: 4 of at most 9 configurations at random, the others proposed by tpe" in said
    assert "early_terminate: judged by val_loss at iterations 2, 4, 8, 16, 32, 64, ..., each alone" in said
    return folder


def test_runs_are_proposed_stopped_and_told(done: Folder) -> None:
    found = pd.read_csv(done.path / "results/sweep/report/results.csv")
    assert len(found) == 9
    assert set(found["state"]) == {"finished", "stopped"}
    stopped = found[found["state"] == "stopped"]
    assert stopped["cause"].str.contains("stopped early at iteration").all()
    assert stopped["val_loss"].notna().all()
    assert "9 runs:" in done.call("status", "sweep")
    shown = done.call("search", "sweep")
    assert "5 proposed by tpe (optuna" in shown
    assert "each follows from what it saw" in done.call("search", "sweep", "--check")


def test_the_report_has_a_section_on_the_search(done: Folder) -> None:
    page = (done.path / "results/sweep/report/report.md").read_text()
    section = page.partition("\n## Search\n")[2].partition("\n## ")[0]
    assert "4 configurations were drawn at random, 5 proposed by tpe (optuna" in section
    # This program reports no epochs.
    assert "| iteration | judged | stopped | kept | threshold |" in section
    assert "Runs that were stopped early" in section


def test_what_was_trained_after_the_band_is_cut_from_the_record_and_kept_beside_it(done: Folder) -> None:
    for folder in done.store.runs():
        record = folder.read_record()
        lines = folder.read_metrics()
        assert len(lines) == (9 if record.state == "finished" else int(str(record.cause).split()[4].rstrip(":")))
        assert record.metrics["val_loss"] == pytest.approx(lines[-1]["val_loss"])
        assert not folder.cut_file.exists() or len(folder.cut_file.read_bytes().splitlines()) == 9 - len(lines)


def test_one_worker_decides_the_same_as_two(done: Folder, tmp_path: Path) -> None:
    alone = Folder(tmp_path / "alone")
    alone.call("local", "sweep.yaml", "--no-report", "--set", "job.max_parallel=1")
    assert alone.decisions() == done.decisions()


def test_a_changed_verdict_is_told(done: Folder) -> None:
    folder = SearchFolder(done.store)
    file = folder.verdict_file(2, 1)
    whole = file.read_text()
    file.write_text(whole.replace('"threshold": ', '"threshold": 1'))
    try:
        assert "band-0002-block-0001.json: another decision follows" in done.call("search", "sweep", "--check", code=1)
    finally:
        file.write_text(whole)


def test_a_sweep_without_search_says_so(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "plain", "program: train.py\nmethod: grid\nparameters: {lr: {value: 1}}\n")
    assert "sweep is no search, or was not started" in folder.call("search", "sweep.yaml", code=2)
