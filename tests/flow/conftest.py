"""Whole commands on a data set that trains in no time: dark and light images of 16x16 pixels."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import until

SWEEP = """\
name: shades
base:
  dataset: shades
  model: {name: cnn, filters: [4], hidden: []}
  lr: 0.01
  batch_size: 8
  epochs: 40
seeds: 2
job: {cpus_per_run: 1, max_parallel: 1}
"""
PATIENCE_S = 120


class Project:
    """A folder with a sweep file and data, in which commands run as a user runs them."""

    sweep = SWEEP

    def __init__(self, path: Path) -> None:
        self.path = path
        self.results = path / "results"
        self.store = self.results / "shades"
        self._started = 0
        self._numbers: dict[int, int] = {}
        self.write(SWEEP)

    def write(self, text: str) -> None:
        (self.path / "shades.yaml").write_text(text)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A command in a terminal of its own, as far as signals go. It writes into files: workers outlive it."""
        self._started += 1
        with (
            self._output("stdout", self._started).open("w") as out,
            self._output("stderr", self._started).open("w") as err,
        ):
            process = subprocess.Popen(
                [sys.executable, "-c", "from cnnjobs.cli.main import run; run()", *words],
                cwd=self.path, text=True, stdout=out, stderr=err, start_new_session=True,
            )  # fmt: skip
        self._numbers[process.pid] = self._started
        return process

    def _output(self, stream: str, number: int) -> Path:
        return self.path / f"{stream}-{number}"

    def finish(self, process: subprocess.Popen[str], *, traceback: bool = False) -> subprocess.CompletedProcess[str]:
        """Result of a command."""
        process.wait(timeout=PATIENCE_S)
        out, err = (self._output(stream, self._numbers[process.pid]).read_text() for stream in ("stdout", "stderr"))
        assert ("Traceback" in err) is traceback, err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def said(self, process: subprocess.Popen[str]) -> str:
        """All that a command has printed so far."""
        return self._output("stdout", self._numbers[process.pid]).read_text()

    def wait(self, condition: Callable[[], bool]) -> None:
        until(condition, PATIENCE_S)

    def call(self, *words: str, traceback: bool = False) -> subprocess.CompletedProcess[str]:
        """A command from start to end."""
        return self.finish(self.start(*words), traceback=traceback)

    def metrics_files(self) -> list[Path]:
        return sorted(self.store.glob("*/metrics.jsonl"))

    def await_epochs(self, number: int, runs: int = 1) -> None:
        """Wait until that many runs have that many lines of metrics."""
        self.wait(lambda: sum(file.read_bytes().count(b"\n") >= number for file in self.metrics_files()) >= runs)

    def workers(self) -> list[int]:
        """The processes that train here, found by the jobs folder in their command."""
        return [
            pid for pid, command in _processes() if "submitit.core._submit" in command and str(self.path) in command
        ]

    def controllers(self) -> list[int]:
        return [
            pid for pid, command in _processes() if "submitit.local._local" in command and str(self.path) in command
        ]

    def records(self) -> list[dict[str, Any]]:
        """Every record.json as it stands, by run id."""
        return [json.loads(file.read_bytes()) for file in sorted(self.store.glob("*/record.json"))]

    def table(self) -> bytes:
        """results.csv of what is on disk."""
        from cnnjobs.disk.run_folder import RunStore
        from cnnjobs.report.results.table import ResultsTable
        from cnnjobs.sweep.file import read_sweep

        target = self.path / "results.csv"
        ResultsTable.load(read_sweep(self.path / "shades.yaml"), RunStore(self.store)).write_csv(target)
        return target.read_bytes()


def _processes() -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield int(folder.name), (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue


@pytest.fixture
def project(tmp_path: Path, shades: Path) -> Iterator[Project]:
    """A project in which nothing has run; what still runs at the end is killed."""
    path = tmp_path / "it's a project"
    path.mkdir()
    (path / "data").symlink_to(shades)
    made = Project(path)
    yield made
    for pid in (*made.controllers(), *made.workers()):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, shades: Path) -> Project:
    """A project whose sweep has run undisturbed; look, and change nothing."""
    path = tmp_path_factory.mktemp("trained")
    (path / "data").symlink_to(shades)
    made = Project(path)
    done = made.call("local", "shades.yaml", "--no-report")
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def finished(project: Project, trained: Project) -> Project:
    """A project of its own whose sweep has run."""
    shutil.copytree(trained.results, project.results)
    return project
