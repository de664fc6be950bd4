"""Array tasks of job arrays that start as Slurm starts them, from one process that has loaded torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from waiting import until

from cnnjobs.config.run import RunConfig
from cnnjobs.disk.run_folder import RunFolder, RunState, RunStore
from cnnjobs.disk.submission_folder import JobArray, SubmissionFolder

SCONTROL = """\
#!/bin/sh
echo "$@" >> "$SCONTROL_CALLS"
[ ! -e "$SCONTROL_CALLS.down" ] || { echo "no controller" >&2; exit 1; }
"""
SQUEUE = '#!/bin/sh\ncat "$SCONTROL_CALLS.squeue"\n'
PATIENCE_S = 60
FORKS = """
import json, os, sys

sys.path.insert(0, sys.argv[1])
import torch
import torch._dynamo  # torch loads it for the first optimizer
import cnnjobs.training.loop.workload
import cnnjobs.worker.array_task
import cnnjobs.worker.attempt
from cnnjobs.worker.slurm_main import main

torch.set_num_threads(1)
for line in sys.stdin:
    asked = json.loads(line)
    if "wait" in asked:
        print(os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1]), flush=True)
        continue
    pid = os.fork()
    if pid == 0:
        os.environ.update(asked["environment"])
        cnnjobs.worker.claim.takeover.PATIENCE_S = asked["patience_s"]
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os._exit(main([asked["folder"]]))
    print(pid, flush=True)
"""


class Forks:
    """Batch processes that start in milliseconds, forked from one that has loaded torch."""

    def __init__(self, toys: Path) -> None:
        command = [sys.executable, "-c", FORKS, str(toys)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **asked: Any) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class Cluster:
    """A submission and the starts of its array tasks; Slurm's commands only write down what they are told."""

    def __init__(self, path: Path, forks: Forks) -> None:
        self.path, self._forks = path, forks
        self.store = RunStore(path / "results")
        self.submission = SubmissionFolder(self.store.jobs_folder / "one")
        self.calls_file = path / "calls"
        commands = path / "bin"
        commands.mkdir(parents=True)
        for name, text in (("scontrol", SCONTROL), ("squeue", SQUEUE)):
            (commands / name).write_text(text)
            (commands / name).chmod(0o755)
        self.environment = {
            "PATH": f"{commands}:{os.environ['PATH']}",
            "SCONTROL_CALLS": str(self.calls_file),
            "SLURM_ARRAY_JOB_ID": "12",
        }

    def submit(self, *tasks: list[RunConfig], canary: bool = False, **profile: Any) -> list[RunFolder]:
        runs = [run for task in tasks for run in task]
        folders = [self.store.run(run.run_id) for run in runs]
        for folder, run in zip(folders, runs, strict=True):
            folder.create(run)
        array = JobArray(
            job_name="cnnjobs-toys-1", tasks=tuple(tuple(run.run_id for run in task) for task in tasks),
            store=self.store.path, canary=canary, profile=profile, created="2026-01-01T00:00:00+00:00", host="login",
            user="ann",
        )  # fmt: skip
        self.submission.write_array(array)
        return folders

    def start(self, index: int = 0, restart: int = 0, *, patience_s: float = PATIENCE_S) -> int:
        own = {"SLURM_ARRAY_TASK_ID": str(index), "SLURM_RESTART_COUNT": str(restart)}
        log = str(self.submission.log_file(index))
        folder = str(self.submission.path)
        return self._forks.ask(environment=self.environment | own, folder=folder, log=log, patience_s=patience_s)

    def wait(self, pid: int) -> int:
        return self._forks.ask(wait=pid)

    def run(self, index: int = 0, restart: int = 0) -> int:
        """The exit code of an undisturbed start."""
        return self.wait(self.start(index, restart))

    def interrupt(self, folder: RunFolder, number: int, *, lines: int, restart: int = 0, index: int = 0) -> int:
        """The exit code of a start that gets a signal when it has added so many lines of metrics."""
        number_before = len(folder.read_record().attempts)
        worker = self.start(index, restart)
        until(lambda: sum(line["attempt"] > number_before for line in folder.read_metrics()) >= lines)
        os.kill(worker, number)
        return self.wait(worker)

    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []

    def log(self, index: int = 0) -> str:
        return self.submission.log_file(index).read_text()


def caught(pid: int) -> int:
    """The signals that a process handles, as bits."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("SigCgt")), 16)


def undisturbed(other: Cluster, run: RunConfig) -> RunFolder:
    (folder,) = other.submit([run])
    assert other.run() == 0
    assert other.calls() == []
    return folder


def assert_same_results(toy: Any, folder: RunFolder, expected: RunFolder) -> None:
    record, others = folder.read_record(), expected.read_record()
    assert (record.state, record.metrics, record.best_epoch) == (RunState.FINISHED, others.metrics, others.best_epoch)
    assert toy.timeless(folder.read_metrics()) == toy.timeless(expected.read_metrics())
    assert folder.model_file.read_bytes() == expected.model_file.read_bytes()
    names = {file.name.partition(".tfevents")[0] for file in folder.path.iterdir()}
    assert names == {"config.yaml", "record.json", "metrics.jsonl", "model.pt", "predictions.npz", "events.out"}
