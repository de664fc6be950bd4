"""A sweep whose runs train as slowly as a test needs, in which commands run as a user runs them."""

from __future__ import annotations

import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from cluster import Cluster
from cluster_daemons import wait_until
from project import PATIENCE_S, Project

from cnnjobs.disk.run_folder import RunFolder, RunState
from cnnjobs.status.kept_epoch import kept_epoch
from cnnjobs.sweep.file import read_sweep

SWEEP = """\
name: faults
base: {dataset: "striped:stripes", model: "striped:Slow", augment: [flip], batch_size: 8, epochs: 10, lr: 0.05}
seeds: 3
job: {gpus_per_run: 0, mem_gb: 0.5}
"""

SEARCH = """\
name: faults
method: random
run_cap: 11
base: {dataset: "striped:stripes", model: "striped:Slow", augment: [flip], batch_size: 8, epochs: 10}
parameters: {lr: {distribution: log_uniform_values, min: 0.0001, max: 0.5}}
early_terminate: {type: hyperband, min_iter: 1}
job: {gpus_per_run: 0, mem_gb: 0.5}
"""

BAYES = SEARCH.replace("method: random\nrun_cap: 11", "method: bayes\nrun_cap: 12").replace(
    "job:", "search: {startup: 4, parallel: 3}\njob:"
)


class FaultyProject(Project):
    """A sweep of a few runs, which train slowly until `hurry`."""

    def __init__(self, path: Path, sweep: str = SWEEP) -> None:
        super().__init__(path, "faults", sweep)
        # By run: how often it had been started, and the whole epochs that were on disk, or that status told of, then.
        self._seen: dict[int, tuple[int, int]] = {}
        self._told: dict[int, tuple[int, int]] = {}

    def set(self, name: str, *, on: bool = True) -> None:
        """Leave or take away one of the files that module `striped` looks for."""
        (self.path / name).touch() if on else (self.path / name).unlink()

    def hurry(self) -> None:
        """Let the runs train without waiting."""
        self.set("fast")

    def told(self, status: dict[str, Any] | None = None) -> list[tuple[str, str | None]]:
        """State and cause of each run as status tells them, by array task."""
        runs = sorted((status or self.status())["runs"], key=lambda run: str(run["job"]))
        numbers = {folder.run_id: index for index, folder in enumerate(self.folders)}
        for run in runs:
            onwards = re.search(r"goes on from epoch (\d+)", str(run["cause"]))
            # A run that was proposed has no place of its own in the array.
            if onwards and run["state"] in ("pending", "interrupted") and run["run_id"] in numbers:
                self._told[numbers[run["run_id"]]] = (run["attempts"], int(onwards[1]))
        return [(run["state"], run["cause"]) for run in runs]

    @cached_property
    def folders(self) -> list[RunFolder]:
        """The runs in the order of the sweep: array task k trains run k."""
        return [self.store.run(run.run_id) for run in read_sweep(self.sweep_file).runs]

    def job(self) -> str:
        """The number of the newest submission."""
        newest = max(self.store.jobs_folder.glob("*/id.json"))
        return str(json.loads(newest.read_bytes())["job_id"])

    def log(self, index: int) -> str:
        """Log of array task `index` of the only submission."""
        (file,) = self.store.jobs_folder.glob(f"*/task-{index}.log")
        return file.read_text()

    def await_epoch(self, index: int, attempt: int = 1) -> None:
        """Wait until an attempt at a run has kept an epoch."""
        wait_until(
            f"attempt {attempt} at run {index} trains",
            lambda: (
                any(line["attempt"] == attempt for line in self.folders[index].read_metrics())
                and self.folders[index].checkpoint_file.exists()
            ),
            timeout_s=PATIENCE_S,
        )
        attempts = len(self.folders[index].read_record().attempts)
        self._seen[index] = (attempts, kept_epoch(self.folders[index]))

    def await_state(self, index: int, state: RunState) -> None:
        """Wait until a run's record is in that state."""
        wait_until(
            f"run {index} is {state}", lambda: self.folders[index].read_record().state is state, timeout_s=PATIENCE_S
        )

    def await_attempt(self, index: int, number: int) -> None:
        """Wait until a run has been started so many times."""
        wait_until(
            f"run {index} starts for the {number}. time",
            lambda: len(self.folders[index].read_record().attempts) == number, timeout_s=PATIENCE_S,
        )  # fmt: skip

    def attempts(self) -> list[int]:
        """Number of starts of each run."""
        return [len(folder.read_record().attempts) for folder in self.folders]

    def lost(self) -> list[str]:
        """The runs that went on from an earlier epoch than was on disk, or from another than status had told."""
        found = []
        for index, folder in enumerate(self.folders):
            began = [attempt.from_epoch for attempt in folder.read_record().attempts]
            attempts, kept = self._seen.get(index, (len(began), 0))
            if any(epoch < kept for epoch in began[attempts:]) or began != sorted(began):
                found.append(f"run {index}: {kept} epochs after {attempts} attempts, went on from {began}")
            attempts, told = self._told.get(index, (len(began), 0))
            if began[attempts : attempts + 1] not in ([], [told]):
                found.append(f"run {index}: told {told} after {attempts} attempts, went on from {began}")
        return found

    def decisions(self) -> dict[str, bytes]:
        """All that a search has written down, to the byte."""
        return {file.name: file.read_bytes() for file in sorted((self.store.path / "search").glob("*.json"))}

    def finish(self, slurm: Cluster, expected: bytes) -> None:
        """Let everything end; the runs have finished and their table is the one of an undisturbed sweep."""
        self.hurry()
        wait_until("every job has ended", lambda: not slurm.queue(), timeout_s=PATIENCE_S)
        assert {state for state, _ in self.told()} == {"finished"}, self.told()
        assert self.lost() == []
        assert self.table() == expected
