"""A sweep whose runs train as slowly as a test needs, in which commands run as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

from cluster import Cluster
from cluster_daemons import wait_until

from cnnjobs.report.results import ResultsTable
from cnnjobs.runs import RunFolder, RunState, RunStore
from cnnjobs.spec.sweep import read_sweep

PATIENCE_S = 120
SWEEP = """\
name: faults
base: {dataset: "striped:stripes", model: "striped:Slow", augment: [flip], batch_size: 8, epochs: 10, lr: 0.05}
seeds: 3
job: {gpus_per_run: 0, mem_gb: 0.5}
"""


class FaultyProject:
    """A folder with a sweep of three runs, which train slowly until `hurry`."""

    def __init__(self, path: Path, sweep: str = SWEEP) -> None:
        self.path = path
        self.python = sys.executable
        path.mkdir()
        (path / "faults.yaml").write_text(sweep)
        self.store = RunStore(path / "results" / "faults")

    def set(self, name: str, *, on: bool = True) -> None:
        """Leave or take away one of the files that module `striped` looks for."""
        (self.path / name).touch() if on else (self.path / name).unlink()

    def hurry(self) -> None:
        """Let the runs train without waiting."""
        self.set("fast")

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """A command that is not waited for."""
        modules = os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))))
        given = {**os.environ, "PYTHONPATH": modules, **environment}
        return subprocess.Popen(
            [self.python, "-c", "from cnnjobs.cli.main import run; run()", *words],
            cwd=self.path, env=given, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def call(self, *words: str, code: int = 0, **environment: str) -> str:
        """What a command says on stdout, and on stderr when it is to fail."""
        process = self.start(*words, **environment)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == code, out + err
        assert "Traceback" not in err, err
        return out + err if code else out

    def sweep(self, *settings: str, code: int = 0, **environment: str) -> str:
        """`cnnjobs sweep`, with settings of its jobs."""
        words = [word for setting in settings for word in ("--set", f"job.{setting}")]
        return self.call("sweep", "faults.yaml", *words, code=code, **environment)

    def status(self) -> dict[str, Any]:
        """What `cnnjobs status --json` tells."""
        (sweep,) = json.loads(self.call("status", "faults", "--json"))["sweeps"]
        return dict(sweep)

    def told(self) -> list[tuple[str, str | None]]:
        """State and cause of each run as status tells them, by element."""
        runs = sorted(self.status()["runs"], key=lambda run: str(run["job"]))
        return [(run["state"], run["cause"]) for run in runs]

    @cached_property
    def folders(self) -> list[RunFolder]:
        """The runs in the order of the sweep: element k trains run k."""
        return [self.store.run(run.run_id) for run in read_sweep(self.path / "faults.yaml").runs]

    def job(self) -> str:
        """The number of the newest submission."""
        newest = max(self.store.jobs_folder.glob("*/id.json"))
        return str(json.loads(newest.read_bytes())["job_id"])

    def job_folder(self) -> str:
        """The folder of the newest submission."""
        return str(max(self.store.jobs_folder.glob("*/id.json")).parent)

    def log(self, index: int) -> str:
        """What element `index` of the only submission has said."""
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
        """How often each run was started."""
        return [len(folder.read_record().attempts) for folder in self.folders]

    def repeated(self) -> list[float]:
        """The epochs that stand in more than one line of a run's metrics: work that was lost and done again."""
        epochs = [[line["epoch"] for line in folder.read_metrics()] for folder in self.folders]
        return [epoch for each in epochs for epoch in set(each) if each.count(epoch) > 1]

    def table(self) -> bytes:
        """results.csv of what is on disk."""
        target = self.path / "results.csv"
        ResultsTable.load(read_sweep(self.path / "faults.yaml"), self.store).write_csv(target)
        return target.read_bytes()

    def finish(self, slurm: Cluster, expected: bytes) -> None:
        """Let everything end; the runs have finished and their table is the one of an undisturbed sweep."""
        self.hurry()
        wait_until("every job has ended", lambda: not slurm.queue(), timeout_s=PATIENCE_S)
        assert {state for state, _ in self.told()} == {"finished"}, self.told()
        assert self.repeated() == []
        assert self.table() == expected
