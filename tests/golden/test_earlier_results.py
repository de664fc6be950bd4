"""A results folder and a queue that commit 7d2f52c left: today's version reads them, and finds nothing to do again."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cnnjobs.disk.run_folder import RunStore
from cnnjobs.disk.submission_folder import JobArray
from cnnjobs.report.results.table import ResultsTable
from cnnjobs.sweep.file import read_sweep
from cnnjobs.worker import rank_main, run_list

EARLIER = Path(__file__).parent / "earlier"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EARLIER, tmp_path / "project"))


def call(project: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from cnnjobs.cli.main import run; run()", *words],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_its_runs_are_finished_and_are_not_run_again(project: Path) -> None:
    (sweep,) = json.loads(call(project, "status", "old.yaml", "--json"))["sweeps"]
    assert [run["state"] for run in sweep["runs"]] == ["finished", "finished"]
    before = {file: file.read_bytes() for file in (project / "results").rglob("*") if file.name == "record.json"}
    assert "nothing to run: 2 of 2 runs are finished" in call(project, "local", "old.yaml", "--no-report")
    assert before == {file: file.read_bytes() for file in before}


def test_its_table_is_the_same_to_the_byte(project: Path) -> None:
    target = project / "results.csv"
    target.unlink()
    ResultsTable.load(read_sweep(project / "old.yaml"), RunStore(project / "results" / "old")).write_csv(target)
    assert target.read_bytes() == (EARLIER / "results.csv").read_bytes()


def test_its_networks_and_its_queued_array_are_read(project: Path) -> None:
    folders = list(RunStore(project / "results" / "old").runs())
    assert [folder.read_config().run_id for folder in folders] == [folder.run_id for folder in folders]
    array = JobArray.model_validate_json((EARLIER / "queue" / "intent.json").read_text())
    assert [task for (task,) in array.tasks] == sorted(folder.run_id for folder in folders)


def test_the_names_in_its_scripts_still_start() -> None:
    """A job's script, a rank's command and the pickle of a worker on this machine name these modules."""
    done = subprocess.run(
        [sys.executable, "-m", "cnnjobs.training.slurm_worker"], capture_output=True, text=True, check=False
    )
    assert "usage: python -m cnnjobs.worker.slurm_main <submission folder>" in done.stderr + done.stdout
    assert importlib.import_module("cnnjobs.training.rank_worker").main is rank_main.main
    assert importlib.import_module("cnnjobs.training.worker").run_job is run_list.run_job
