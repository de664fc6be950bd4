"""States and causes as `status` tells them, on real daemons; the worker is pretended, so that no test loads torch."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cluster import Cluster
from cluster_daemons import wait_until
from cluster_settings import ClusterSettings

from cnnjobs.disk.run_folder import RunFolder, RunState, RunStore
from cnnjobs.disk.submission_folder import JobArray, SubmissionFolder
from cnnjobs.launch.cancel import carry_out, plan_cancelling
from cnnjobs.status.named_runs import find_target, find_targets
from cnnjobs.status.run_status import RunStatus
from cnnjobs.status.sweep_status import SweepStatus, SweepWatcher
from cnnjobs.sweep.file import read_sweep

pytestmark = pytest.mark.slurm

SWEEP = """\
name: many
base: {dataset: fashion_mnist_mini, model: lenet5, epochs: 10}
method: grid
parameters:
  lr: {values: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}
"""
WORKER = '''\
"""Stands in for the worker: claims its runs in turn, writes what a worker writes, and ends when SIGTERM asks it to."""
import os, signal, sys, time
from datetime import UTC, datetime
from pathlib import Path
from cnnjobs.disk.submission_folder import SubmissionFolder
from cnnjobs.disk.run_folder import Attempt, RunRecord, RunState, RunStore

stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
folder = SubmissionFolder(Path(sys.argv[1]))
intent = folder.read_array()
job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
for run_id in intent.tasks[int(os.environ["SLURM_ARRAY_TASK_ID"])]:
    run = RunStore(intent.store).run(run_id)
    if stopped or run.read_record().state in (RunState.FINISHED, RunState.FAILED, RunState.CANCELLED):
        continue
    with run.claim() as log:
        attempt = Attempt(number=1, host=os.uname().nodename, pid=os.getpid(), job_id=job,
                          started=datetime.now(UTC).isoformat())
        record = RunRecord(run_id=run_id, state=RunState.RUNNING, attempts=(attempt,))
        run.write_record(record)
        log.append({"attempt": 1, "step": 1, "epoch": 1.0, "seconds": 0.1, "train.loss": 1.0})
        while not stopped and not (folder.path / "finish").exists():
            time.sleep(0.05)
        ended = {"state": RunState.INTERRUPTED, "cause": "stopped"} if stopped else {"state": RunState.FINISHED}
        run.write_record(record.model_copy(update=ended))
'''


class Place:
    """A sweep of six runs, submitted as one array."""

    def __init__(self, path: Path, cluster: Cluster) -> None:
        self.path, self.cluster = path, cluster
        (path / "many.yaml").write_text(SWEEP)
        (path / "worker.py").write_text(WORKER)
        self.sweep = read_sweep(path / "many.yaml")
        self.results = path / "results"
        self.store = RunStore(self.results / "many")
        self.store.keep_sweep_file(SWEEP)
        self.ids = [run.run_id for run in self.sweep.runs]
        self.folder = SubmissionFolder(self.store.jobs_folder / "first")
        self.job = ""

    def submit(self, tasks: int = 6, *, at_once: int = 8, python: str = sys.executable, hold: bool = False) -> None:
        """Deal the runs to so many array tasks, and wait until Slurm has them."""
        dealt = [self.ids[index::tasks] for index in range(tasks)]
        name = "cnnjobs-many-first"
        self.folder.write_array(
            JobArray(
                job_name=name, tasks=dealt, store=self.store.path, canary=hold, host="h", user="root",
                created=datetime.now(UTC).isoformat(),
            )
        )  # fmt: skip
        for run in self.sweep.runs:
            self.store.run(run.run_id).create(run.config)
        command = f"exec {shlex.quote(python)} {shlex.quote(str(self.path / 'worker.py'))} {self.folder.path}"
        self.folder.script_file.write_text(f"#!/bin/bash\n{command}\n")
        held = ["--hold"] if hold else []
        self.job = self.cluster.client(
            "sbatch", "--parsable", f"--job-name={name}", f"--array=0-{tasks - 1}%{at_once}", "--open-mode=append",
            f"--output={self.folder.log_file('%a')}", *held, str(self.folder.script_file),
        ).strip()  # fmt: skip
        self.folder.write_id(int(self.job))

    def run(self, index: int) -> RunFolder:
        return self.store.run(self.ids[index])

    def look(self) -> SweepStatus:
        return SweepWatcher(self.store, self.sweep.runs).look()

    def statuses(self) -> tuple[RunStatus, ...]:
        return self.look().snapshot.runs

    def states(self) -> list[str]:
        return [str(status.state) for status in self.statuses()]

    def await_states(self, *states: str) -> None:
        wait_until(f"the states are {states}, not {self.states()}", lambda: self.states() == list(states))

    def finish(self) -> None:
        (self.folder.path / "finish").touch()

    def status(self) -> dict[str, object]:
        """Answer of `cnnjobs status --json` for the sweep."""
        command = [sys.executable, "-c", "from cnnjobs.cli.main import run; run()", "status", "many", "--json"]
        done = subprocess.run(command, cwd=self.path, capture_output=True, text=True, check=True)
        (sweep,) = json.loads(done.stdout)["sweeps"]
        return dict(sweep)


@pytest.fixture
def place(slurm: Cluster, tmp_path: Path) -> Place:
    return Place(tmp_path, slurm)


RUNNING = ["running"] * 6


def test_what_was_cancelled_killed_or_went_on(place: Place) -> None:
    place.submit(at_once=4)
    place.await_states(*RUNNING[:4], "pending", "pending")
    waits = place.statuses()[4]
    assert waits.cause == "waits for its turn: max_parallel of the sweep are at work"
    place.cluster.client("scancel", f"{place.job}_0", f"{place.job}_5")
    place.cluster.kill_job_processes(f"{place.job}_1", command="worker.py")
    place.await_states("cancelled", "interrupted", "running", "running", "running", "cancelled")
    place.finish()
    place.await_states("cancelled", "interrupted", "finished", "finished", "finished", "cancelled")
    place.cluster.wait_idle()
    # What Slurm itself forgets after some minutes, accounting remembers.
    wait_until("accounting tells who", lambda: "by root" in str(place.statuses()[0].cause))
    status = place.status()
    assert status["counts"] == {"finished": 3, "cancelled": 2, "interrupted": 1}
    assert status["next"] == "cnnjobs sweep many"
    runs = status["runs"]
    assert isinstance(runs, list)
    told = {run["job"]: (run["cause"], run["next"]) for run in runs}
    node = place.cluster.client("sacct", "-X", "-n", "-P", "-o", "NodeList", "-j", f"{place.job}_1").strip()
    name = place.job
    # This worker keeps no checkpoint: there is no epoch to go on from.
    assert told[f"{name}_1"] == (f"killed by signal 9 (SIGKILL), job {name}_1 on {node}", "cnnjobs sweep many")
    assert told[f"{name}_5"][0] == f"cancelled: job {name}_5 left the queue before it started"
    assert told[f"{name}_0"][0].startswith("cancelled by root at 20")
    assert told[f"{name}_2"] == (None, None)


def test_without_accounting(start_slurm: Callable[[ClusterSettings], Cluster], tmp_path: Path) -> None:
    place = Place(tmp_path, start_slurm(ClusterSettings(nodes=2, gpus=0, accounting=False)))
    place.submit(at_once=4)
    place.await_states(*RUNNING[:4], "pending", "pending")
    place.cluster.client("scancel", f"{place.job}_0", f"{place.job}_5")
    place.cluster.kill_job_processes(f"{place.job}_1", command="worker.py")
    place.await_states("cancelled", "interrupted", "running", "running", "running", "cancelled")
    assert "killed by signal 9 (SIGKILL)" in str(place.statuses()[1].cause)
    assert place.look().view.notices == ()
    place.finish()
    place.await_states("cancelled", "interrupted", "finished", "finished", "finished", "cancelled")


def test_a_controller_that_restarts_in_mid_sweep(place: Place) -> None:
    place.submit(at_once=4)
    place.await_states(*RUNNING[:4], "pending", "pending")
    place.cluster.stop_controller()
    # squeue itself tries for some seconds.
    truth = place.look()
    assert [status.state for status in truth.snapshot.runs] == [*RUNNING[:4], "pending", "pending"]
    assert truth.view.notices[0].startswith("the queue could not be asked: squeue")
    place.cluster.start_controller()
    assert place.states() == [*RUNNING[:4], "pending", "pending"]
    place.finish()
    place.await_states(*["finished"] * 6)


def test_slurmdbd_down_is_a_line_and_no_failure(place: Place) -> None:
    place.submit(at_once=8)
    place.await_states(*RUNNING)
    place.cluster.stop_dbd()
    assert place.look().view.notices == ()
    place.cluster.client("scancel", f"{place.job}_0")
    place.cluster.kill_job_processes(f"{place.job}_1", command="worker.py")
    place.await_states("cancelled", "interrupted", *RUNNING[2:])
    (notice,) = place.look().view.notices
    assert notice.startswith("accounting could not be asked: sacct")
    place.finish()
    place.await_states("cancelled", "interrupted", *["finished"] * 4)


def test_an_interpreter_that_the_node_does_not_have(place: Place) -> None:
    place.submit(2, python="/no/such/python")
    place.cluster.wait_idle()
    statuses = place.statuses()
    assert {status.state for status in statuses} == {RunState.FAILED}
    for status in statuses:
        assert str(status.cause).startswith(f"never started: job {status.job} on n")
        assert "ended with exit code 126" in str(status.cause) or "ended with exit code 127" in str(status.cause)
        assert "/no/such/python" in str(status.cause)


def test_cancel_ends_exactly_what_was_named(place: Place) -> None:
    place.submit(3, at_once=2)
    wait_until("two run", lambda: place.states().count("running") == 2)
    # ArrayTask 0 has run 0 and then run 3; array task 2 waits with runs 2 and 5.
    plan = plan_cancelling(find_target(place.ids[3], place.results))
    assert (plan.array_tasks, plan.also) == ((), ())
    assert carry_out(plan) == ()
    plan = plan_cancelling(find_target("lr=0.3", place.results))
    assert (plan.array_tasks, plan.also) == ((), ())
    carry_out(plan)
    assert place.states() == ["running", "running", "cancelled", "cancelled", "pending", "pending"]
    plan = plan_cancelling(find_target("lr=0.2", place.results))
    assert plan.array_tasks == ((int(place.job), 1),)
    assert [status.label for status in plan.also] == ["lr=0.5"]
    assert carry_out(plan) == ()
    assert place.states()[1] == place.states()[4] == "cancelled"
    record = place.run(4).read_record()
    assert str(record.cause).startswith("cancelled by root at 20")
    assert str(record.cause).endswith(f"with job {place.job}_1")
    assert not place.run(4).cancel_file.exists()
    place.finish()
    place.await_states("finished", "cancelled", "cancelled", "cancelled", "cancelled", "finished")


def test_cancel_a_whole_sweep(place: Place) -> None:
    place.submit(at_once=2)
    wait_until("two run", lambda: place.states().count("running") == 2)
    (target,) = find_targets(["many", place.ids[0]], place.results)
    plan = plan_cancelling(target)
    assert len(plan.array_tasks) == 6
    assert carry_out(plan) == ()
    assert place.states() == ["cancelled"] * 6
    wait_until("nothing is left in the queue", lambda: not place.cluster.queue())


def test_the_rest_is_held_by_the_first_run(place: Place) -> None:
    place.submit(hold=True)
    place.cluster.client("scontrol", "release", f"{place.job}_0")
    place.await_states("running", *["pending"] * 5)
    (held,) = place.look().held
    assert held == f"job {place.job}: 5 jobs held until the first run has passed its first validation"
    place.finish()
    place.folder.canary_file.touch()
    place.cluster.client("scontrol", "release", place.job)
    place.await_states(*["finished"] * 6)
    assert place.look().held == ()


def test_looking_a_hundred_times_leaves_no_file(place: Place) -> None:
    place.submit(at_once=2)
    wait_until("two run", lambda: place.states().count("running") == 2)
    before = sorted(place.store.path.rglob("*"))
    for _ in range(100):
        place.look()
    assert sorted(place.store.path.rglob("*")) == before
