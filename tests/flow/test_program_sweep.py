"""A sweep of a program from its file to its report, by the commands of a user; where torch is loaded, it breaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cnnjobs.sweep.file import read_sweep

PROGRAM = """\
import argparse, json, os
from pathlib import Path
import helper

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--opt.name", dest="name")
parser.add_argument("--seed", type=int)
asked = parser.parse_args()
assert Path("note.txt").exists(), "the working folder is where the sweep was started"
if asked.lr > 5:
    raise ValueError("lr is too high")
with open(os.environ["CNNJOBS_METRICS"], "a") as file:
    for epoch in range(4):
        line = {"epoch": epoch, "val/acc": helper.accuracy(asked.lr, asked.seed, epoch), "loss": 1 / (epoch + 1)}
        file.write(json.dumps(line) + "\\n")
print("done")
"""
HELPER = "def accuracy(lr, seed, epoch):\n    return 50 + 10 * lr + seed + epoch\n"
SWEEP = """\
program: train.py
method: grid
metric: {name: val/acc, goal: maximize}
parameters:
  lr: {values: [0.1, 1.0]}
  opt.name: {value: sgd}
seeds: 2
compare:
  - {title: Faster, before: {lr: 0.1}, after: {lr: 1.0}}
"""


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("train.py", PROGRAM)
        self.write("helper.py", HELPER)
        self.write("note.txt", "here")
        self.write("sweep.yaml", SWEEP)
        (path / "broken").mkdir()
        self.write("broken/torch.py", "raise SystemExit('torch was loaded')\n")

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text, encoding="utf-8")

    def call(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "cnnjobs", *words], cwd=self.path, text=True, capture_output=True, check=False,
            env={**os.environ, "PYTHONPATH": str(self.path / "broken")},
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def status(self) -> Any:
        (sweep,) = json.loads(self.call("status", "sweep", "--json"))["sweeps"]
        return sweep


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("project"))
    folder.call("local", "sweep.yaml", "--set", "job.max_parallel=2")
    return folder


def test_the_table_has_what_the_program_reported(done: Folder) -> None:
    found = pd.read_csv(done.path / "results/sweep/report/results.csv")
    assert [*found.columns] == ["run_id", "lr", "seed", "state", "cause", "val/acc", "loss"]
    assert found["val/acc"].tolist() == [54.0, 55.0, 63.0, 64.0]
    assert set(found["state"]) == {"finished"}
    history = pd.read_csv(done.path / "results/sweep/report/history.csv")
    assert [*history.columns] == ["run_id", "attempt", "step", "seconds", "loss", "val/acc"]
    assert len(history) == 16


def test_the_page_tells_it_without_made_up_percents(done: Folder) -> None:
    text = (done.path / "results/sweep/report/report.md").read_text(encoding="utf-8")
    assert "63.5000 ± 0.7071" in text
    assert "%" not in text.partition("## Cost")[0].replace("95 %", "").replace(" % ", "")
    assert "Over- or underfitting" not in text
    assert "Networks" not in text
    drawn = {path.name for path in (done.path / "results/sweep/report/figures").glob("*.png")}
    assert {"curves-01-val-acc.png", "curves-02-loss.png", "compare-01-Faster.png"} <= drawn


def test_the_best_is_a_file_of_the_same_runs(done: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(done.path)
    best = read_sweep(Path("results/sweep/report/best.yaml"))
    assert [run.run_id for run in best.runs] == [run["run_id"] for run in done.status()["runs"][2:]]


def test_the_program_is_the_one_that_was_submitted(done: Folder) -> None:
    done.write("helper.py", HELPER.replace("50", "90"))
    try:
        told = done.call("local", "sweep.yaml", "--dry-run")
    finally:
        done.write("helper.py", HELPER)
    assert "4 finished" in told
    assert "helper.py has changed since" in told
    copies = [*(done.path / "results/sweep/code").glob("*/helper.py")]
    assert [copy.read_text() for copy in copies] == [HELPER]
    assert not [*(done.path / "results/sweep/code").glob("*/sweep.yaml")]


def test_what_only_networks_have_is_told_in_a_line(done: Folder) -> None:
    run = done.status()["runs"][0]["run_id"]
    commands = (("show", run), ("figures", run), ("predict", run, "a.png"), ("export", run, "-o", "a.pth"))
    for words in commands:
        told = done.call(*words, code=2)
        assert "it is a run of the program train.py" in told
        assert "Traceback" not in told
    assert "keeps event files of its own" in done.call("tensorboard", "sweep", code=2)


def test_a_failed_run_tells_its_cause_and_is_tried_again(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write("sweep.yaml", SWEEP.replace("[0.1, 1.0]", "[0.1, 9.0]").partition("compare")[0].replace("2\n", "1\n"))
    told = folder.call("local", "sweep.yaml", code=1)
    assert "ValueError: lr is too high (train.py:" in told
    assert [run["state"] for run in folder.status()["runs"]] == ["finished", "failed"]
    # As asked: with the code of then.
    folder.write("train.py", PROGRAM.replace("asked.lr > 5", "asked.lr > 50"))
    told = folder.call("retry", "sweep", "--code", "new")
    assert {run["state"] for run in folder.status()["runs"]} == {"finished"}
