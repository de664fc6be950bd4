"""Folders with a sweep, in which commands run as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from cluster import Cluster
from cluster_daemons import wait_until

from cnnjobs.disk.run_folder import RunStore
from cnnjobs.report.results.table import ResultsTable
from cnnjobs.sweep.file import read_sweep

PATIENCE_S = 120
SHADES = """\
name: shades
base:
  dataset: shades
  model: {name: cnn, filters: [4], hidden: []}
  lr: 0.01
  batch_size: 8
  epochs: 2
seeds: %d
job: {gpus_per_run: 0}
"""
# Found by PYTHONPATH, as a user's own modules are; it spares every job of a test the loading of torch.
QUICK_WORKER = '''\
"""Stands in for the worker: its runs are finished at once, or failed while there is a file `fail`."""
import os, sys
if "cnnjobs.worker.slurm_main" in sys.orig_argv:
    from datetime import UTC, datetime
    from pathlib import Path
    from cnnjobs.disk.submission_folder import SubmissionFolder
    from cnnjobs.disk.run_folder import Attempt, RunRecord, RunState, RunStore
    intent = SubmissionFolder(Path(sys.orig_argv[-1])).read_array()
    for run_id in intent.tasks[int(os.environ["SLURM_ARRAY_TASK_ID"])]:
        run = RunStore(intent.store).run(run_id)
        before = run.read_record().attempts
        state = RunState.FAILED if Path("fail").exists() else RunState.FINISHED
        attempt = Attempt(number=len(before) + 1, host="n", pid=1, started=datetime.now(UTC).isoformat())
        run.write_record(RunRecord(run_id=run_id, state=state, attempts=(*before, attempt)))
    os._exit(0)
'''


class Project:
    """A folder with the sweep file <name>.yaml."""

    def __init__(self, path: Path, name: str, sweep: str) -> None:
        self.path, self.name = path, name
        self.python = sys.executable
        self.sweep_file = path / f"{name}.yaml"
        path.mkdir()
        self.sweep_file.write_text(sweep)
        self.store = RunStore(path / "results" / name)

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """A command that is not waited for."""
        modules = os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))))
        given = {**os.environ, "PYTHONPATH": modules, **environment}
        return subprocess.Popen(
            [self.python, "-c", "from cnnjobs.cli.main import run; run()", *words],
            cwd=self.path, env=given, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def call(self, *words: str, code: int = 0, **environment: str) -> str:
        """Output of a command on both streams."""
        return "".join(self._ended(*words, code=code, **environment))

    def _ended(self, *words: str, code: int = 0, **environment: str) -> tuple[str, str]:
        process = self.start(*words, **environment)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == code, out + err
        assert "Traceback" not in err, err
        return out, err

    def sweep(self, *settings: str, code: int = 0, **environment: str) -> str:
        """`cnnjobs sweep`, with settings of its jobs."""
        words = [word for setting in settings for word in ("--set", f"job.{setting}")]
        return self.call("sweep", self.sweep_file.name, *words, code=code, **environment)

    def status(self) -> dict[str, Any]:
        """Answer of `cnnjobs status --json`."""
        (sweep,) = json.loads(self._ended("status", self.name, "--json")[0])["sweeps"]
        return dict(sweep)

    def submissions(self) -> list[Path]:
        """The folders of what was handed to Slurm, the oldest first."""
        return sorted(self.store.jobs_folder.iterdir()) if self.store.jobs_folder.exists() else []

    def table(self) -> bytes:
        """results.csv of what is on disk."""
        target = self.path / "results.csv"
        ResultsTable.load(read_sweep(self.sweep_file), self.store).write_csv(target)
        return target.read_bytes()

    def replace_sbatch(self, body: str) -> str:
        """A PATH with an sbatch that does this; $LAUNCHER is who called it."""
        folder = self.path / "programs"
        folder.mkdir(exist_ok=True)
        (folder / "sbatch").write_text(f"#!/bin/bash\nLAUNCHER=$PPID\n{body}\n")
        (folder / "sbatch").chmod(0o755)
        return f"{folder}:{os.environ['PATH']}"


class Shades(Project):
    """A sweep of some seeds on a data set that trains in no time."""

    def __init__(self, path: Path, data: Path) -> None:
        super().__init__(path, "shades", SHADES % 3)
        (path / "data").symlink_to(data)

    def write(self, seeds: int) -> None:
        """Ask for so many runs."""
        self.sweep_file.write_text(SHADES % seeds)

    def states(self) -> list[str]:
        """The state of each run that is on disk."""
        return [folder.read_record().state.value for folder in self.store.runs()]

    def attempts(self) -> list[int]:
        """Number of starts of each of them."""
        return [len(folder.read_record().attempts) for folder in self.store.runs()]


def finish(project: Shades, slurm: Cluster, runs: int = 3) -> None:
    """Wait until the queue is empty; that many runs have finished, and no other is there."""
    wait_until("every job has ended", lambda: not slurm.queue(), timeout_s=60)
    assert project.states() == ["finished"] * runs
