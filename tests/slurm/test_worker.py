"""The worker of a job array's array task under a real Slurm: whatever stops it, the run ends as if nothing had been."""

from __future__ import annotations

import importlib
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster
from cluster_daemons import wait_until
from cluster_processes import running
from cluster_settings import ClusterSettings

from cnnjobs.config.run import RunConfig
from cnnjobs.disk.run_folder import RunFolder, RunRecord, RunState, RunStore
from cnnjobs.disk.submission_folder import JobArray, SubmissionFolder

pytestmark = pytest.mark.slurm

# A job that was requeued waits for its old credential to expire: two minutes, also when told less than 5 s.
SETTINGS = ClusterSettings(nodes=2, gpus=0, accounting=False, cred_expire_s=5)
PATIENCE_S = 90
CHANGING = ("seconds", "images_per_s", "attempt")
STRIPES = '''
import time

import numpy as np
from torch import nn

from cnnjobs.components.data.datasets import DataSet, Split


def stripes(name, folders, *, train: int = 96):
    """Noisy images of 8x8 pixels: class 0 has horizontal stripes, class 1 vertical ones."""
    draws = np.random.default_rng(7)

    def split(count):
        labels = np.arange(count, dtype=np.int64) % 2
        waves = 60 * (np.arange(8) % 2)
        patterns = np.stack([np.tile(waves[:, None], 8), np.tile(waves, (8, 1))])
        images = patterns[labels][..., None] + draws.integers(0, 120, (count, 8, 8, 1))
        return Split(images.astype(np.uint8), labels)

    return DataSet(name, split(train), split(40), split(30), ("rows", "columns"), (0.35,), (0.16,))


class Slow(nn.Sequential):
    """A step takes long enough for things to happen in."""

    def __init__(self, in_channels, num_classes, image_size):
        super().__init__(nn.Conv2d(in_channels, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(),
                         nn.Linear(4 * (image_size - 2) ** 2, num_classes))

    def forward(self, images):
        time.sleep(0.02)
        return super().forward(images)


class Breaking(Slow):
    """Fails at once."""

    def forward(self, images):
        raise ValueError("no")
'''


@pytest.fixture(scope="module", autouse=True)
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The module `stripes`, here and in the jobs."""
    folder = tmp_path_factory.mktemp("stripes")
    (folder / "stripes.py").write_text(STRIPES)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield


def config(**changes: Any) -> RunConfig:
    settings: dict[str, Any] = {
        "dataset": "stripes:stripes", "model": "stripes:Slow", "augment": ["flip"], "schedule": "cosine",
        "batch_size": 8, "epochs": 10, "lr": 0.05, "validate_every": 0.5,
    }  # fmt: skip
    return RunConfig.model_validate(settings | changes)


class Submission:
    """Runs, and the job array that trains them: array task k the runs of tasks[k]."""

    def __init__(self, path: Path, *tasks: list[RunConfig], canary: bool = False, name: str = "one") -> None:
        self.store = RunStore(path / "results")
        self.folder = SubmissionFolder(self.store.jobs_folder / name)
        self.job_name = f"cnnjobs-stripes-{name}"
        self.folders = [self._create(run) for task in tasks for run in task]
        self.folder.write_array(
            JobArray(
                job_name=self.job_name, tasks=tuple(tuple(run.run_id for run in task) for task in tasks),
                store=self.store.path, canary=canary, created="2026-01-01T00:00:00+00:00", host="here", user="root",
            )
        )  # fmt: skip
        modules = str(Path(importlib.import_module("stripes").__file__ or "").parent)
        command = [sys.executable, "-m", "cnnjobs.worker.slurm_main", str(self.folder.path)]
        lines = ["#!/bin/sh", f"export PYTHONPATH={shlex.quote(modules)}", f"exec {shlex.join(command)}"]
        self.folder.script_file.write_text("\n".join(lines) + "\n")
        self.array_tasks = len(tasks)
        self.command, self.environment = command, {**os.environ, "PYTHONPATH": modules}

    def _create(self, run: RunConfig) -> RunFolder:
        folder = self.store.run(run.run_id)
        folder.create(run)
        return folder

    def submit(self, slurm: Cluster, *options: str) -> str:
        named = (f"--job-name={self.job_name}", f"--array=0-{self.array_tasks - 1}")
        array = (*named, "--requeue", "--open-mode=append", "--mem=400")
        given = (*array, *options, f"--output={self.folder.log_file('%a')}", str(self.folder.script_file))
        return slurm.submit(*given)

    def log(self, index: int = 0) -> str:
        return self.folder.log_file(index).read_text()


def undisturbed(path: Path) -> RunFolder:
    """The run as one process trains it that nobody stops."""
    submission = Submission(path, [config()])
    environment = submission.environment | {"SLURM_ARRAY_JOB_ID": "1", "SLURM_ARRAY_TASK_ID": "0"}
    subprocess.run(submission.command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return submission.folders[0]


@pytest.fixture(scope="module")
def expected(slurm_place: None, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return undisturbed(tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture
def cluster(start_slurm: Callable[[ClusterSettings], Cluster]) -> Cluster:
    return start_slurm(SETTINGS)


def lines(folder: RunFolder, attempt: int) -> int:
    """Number of lines of metrics that an attempt has added."""
    return sum(line["attempt"] == attempt for line in folder.read_metrics())


def await_lines(folder: RunFolder, number: int, attempt: int = 1) -> None:
    wait_until(f"attempt {attempt} trains", lambda: lines(folder, attempt) >= number, timeout_s=PATIENCE_S)


def await_state(folder: RunFolder, state: RunState) -> RunRecord:
    wait_until(f"the run is {state}", lambda: folder.read_record().state is state, timeout_s=PATIENCE_S)
    return folder.read_record()


def assert_same_results(folder: RunFolder, expected: RunFolder) -> None:
    def timeless(one: RunFolder) -> list[dict[str, Any]]:
        return [{key: value for key, value in line.items() if key not in CHANGING} for line in one.read_metrics()]

    # They go right after the last record.
    wait_until("its checkpoints have gone", lambda: not folder.previous_checkpoint_file.exists())
    record, other = folder.read_record(), expected.read_record()
    assert (record.state, record.metrics, record.best_epoch) == (RunState.FINISHED, other.metrics, other.best_epoch)
    assert timeless(folder) == timeless(expected)
    assert folder.model_file.read_bytes() == expected.model_file.read_bytes()
    names = {file.name.partition(".tfevents")[0] for file in folder.path.iterdir()}
    assert names == {"config.yaml", "record.json", "metrics.jsonl", "model.pt", "predictions.npz", "events.out"}


def test_a_run_whose_time_limit_comes_twice(cluster: Cluster, tmp_path: Path) -> None:
    # Slurm looks at limits every 30 s, so the signal comes up to that long after the start.
    run = config(epochs=110, validate_every=5)
    submission, other = Submission(tmp_path, [run]), Submission(tmp_path / "other", [run])
    (folder,) = submission.folders
    job = submission.submit(cluster, "--time=1", "--signal=B:USR2@55")
    other.submit(cluster)
    for attempt in (1, 2):
        if attempt == 2:
            await_lines(folder, 1, attempt)
            cluster.client("scancel", "--batch", "--signal=USR2", f"{job}_0")
        record = await_state(folder, RunState.INTERRUPTED)
        assert record.cause == f"time limit: goes on from epoch {int(record.epochs_done)}"
        wait_until("it goes on", lambda n=attempt: len(folder.read_record().attempts) == n + 1, timeout_s=PATIENCE_S)
    await_state(folder, RunState.FINISHED)
    await_state(other.folders[0], RunState.FINISHED)
    assert_same_results(folder, other.folders[0])
    attempts = folder.read_record().attempts
    # The real limit may have come once more.
    assert len(attempts) >= 3
    assert [(one.job_id, one.restart) for one in attempts] == [(f"{job}_0", number) for number in range(len(attempts))]


def test_a_preempted_run_goes_on(cluster: Cluster, tmp_path: Path, expected: RunFolder) -> None:
    submission = Submission(tmp_path, [config()])
    (folder,) = submission.folders
    submission.submit(cluster, "--partition=low")
    await_lines(folder, 3)
    urgent = cluster.submit("--partition=main", "--nodes=2", "--exclusive", "--wrap=sleep 1")
    record = await_state(folder, RunState.INTERRUPTED)
    assert record.cause == "stopped by Slurm (preempted or cancelled)"
    await_state(folder, RunState.FINISHED)
    assert urgent not in cluster.queue()
    assert_same_results(folder, expected)
    assert [one.restart for one in folder.read_record().attempts] == [0, 1]


def test_a_cancelled_element_stops_and_the_others_go_on(cluster: Cluster, tmp_path: Path) -> None:
    submission = Submission(tmp_path, [config()], [config(seed=1)])
    folder, other = submission.folders
    job = submission.submit(cluster)
    await_lines(folder, 1)
    await_lines(other, 1)
    cluster.client("scancel", f"{job}_0")
    record = await_state(folder, RunState.INTERRUPTED)
    assert record.cause == "stopped by Slurm (preempted or cancelled)"
    await_state(other, RunState.FINISHED)
    cluster.wait_idle()
    assert len(folder.read_record().attempts) == 1


def test_a_node_goes_down_with_its_run(cluster: Cluster, tmp_path: Path, expected: RunFolder) -> None:
    submission = Submission(tmp_path, [config()])
    (folder,) = submission.folders
    submission.submit(cluster, "--nodelist=n1")
    await_lines(folder, 3)
    cluster.kill_node("n1")
    cluster.declare_down("n1")
    cluster.start_slurmd("n1")
    await_state(folder, RunState.FINISHED)
    assert_same_results(folder, expected)
    assert [one.restart for one in folder.read_record().attempts] == [0, 1]


def test_the_copy_on_a_lost_node_stops_when_the_new_one_comes(cluster: Cluster, tmp_path: Path) -> None:
    # Long enough for both copies to be at work at once.
    submission = Submission(tmp_path, [config(epochs=100, validate_every=4)])
    other = Submission(tmp_path / "other", [config(epochs=100, validate_every=4)])
    (folder,) = submission.folders
    job = submission.submit(cluster, "--nodelist=n1")
    other.submit(cluster, "--nodelist=n2")
    await_lines(folder, 2)
    (old,) = cluster.job_processes(f"{job}_0")
    cluster.kill_slurmd("n1")
    cluster.declare_down("n1")
    cluster.client("scontrol", "update", f"jobid={job}_0", "reqnodelist=n2")
    wait_until("the new copy has begun", lambda: len(folder.read_record().attempts) == 2, timeout_s=PATIENCE_S)
    wait_until("the old copy has ended", lambda: not running(old.pid, old.started), timeout_s=PATIENCE_S)
    assert "a newer attempt has it: this copy of the job ends" in submission.log()
    await_state(folder, RunState.FINISHED)
    await_state(other.folders[0], RunState.FINISHED)
    assert_same_results(folder, other.folders[0])
    before, after = folder.read_record().attempts
    assert (before.ended, before.pid, after.restart) == (None, old.pid, 1)


def test_a_killed_process_costs_its_element_and_a_new_submission_goes_on(
    cluster: Cluster, tmp_path: Path, expected: RunFolder
) -> None:
    submission = Submission(tmp_path, [config()])
    (folder,) = submission.folders
    job = submission.submit(cluster)
    await_lines(folder, 3)
    cluster.kill_job_processes(f"{job}_0", command="slurm_main", number=signal.SIGKILL)
    record = await_state(folder, RunState.INTERRUPTED)
    assert "ended without an error message" in str(record.cause)
    cluster.wait_idle()
    Submission(tmp_path, [config()], name="two").submit(cluster)
    await_state(folder, RunState.FINISHED)
    assert_same_results(folder, expected)


def test_the_first_run_lets_the_rest_go_and_equal_failures_hold_it(cluster: Cluster, tmp_path: Path) -> None:
    bad = [config(model="stripes:Breaking", seed=seed) for seed in range(5)]
    submission = Submission(tmp_path, [config(epochs=2)], bad, [config(seed=1)], [config(seed=2)], canary=True)
    first = submission.folders[0]
    job = submission.submit(cluster, "--hold", "--nodelist=n1", "--cpus-per-task=2")
    cluster.client("scontrol", "release", f"{job}_0")
    await_lines(first, 1)
    wait_until("the failures are there", submission.folder.breaker_file.exists, timeout_s=PATIENCE_S)
    wait_until("the rest is held", lambda: set(held(cluster)) == {f"{job}_2", f"{job}_3"}, timeout_s=PATIENCE_S)
    assert submission.folder.canary_file.exists()
    ends = [json.loads(line)["state"] for line in submission.folder.outcomes_file.read_text().splitlines()]
    assert ends == ["finished"] + ["failed"] * 5


def held(cluster: Cluster) -> list[str]:
    found = [line.split() for line in cluster.client("squeue", "-h", "-r", "-o", "%i %T %r").splitlines()]
    return [job for job, state, reason in found if state == "PENDING" and reason.startswith("JobHeld")]
