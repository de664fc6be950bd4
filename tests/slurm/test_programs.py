"""Faults while programs run on a real Slurm: one saves each epoch, one when it is told to, one never."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from cluster import Cluster
from cluster_daemons import wait_until
from cluster_processes import running
from faulty_project import FaultyProject
from project import PATIENCE_S

from cnnjobs.disk.run_folder import RunState

pytestmark = pytest.mark.slurm

SWEEP = """\
name: faults
program: train.py
method: grid
metric: {name: loss, goal: minimize}
parameters: {saves: {values: [always, asked, never]}}
job: {gpus_per_run: 0, mem_gb: 0.5}
"""
PROGRAM = """\
import argparse, json, os, signal, sys, time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--saves")
saves = parser.parse_args().saves
last = Path(os.environ["CNNJOBS_CHECKPOINT_DIR"], "last")
epoch = int(last.read_text()) if last.exists() else 0


def save(*_):
    Path(f"{last}.new").write_text(str(epoch))
    Path(f"{last}.new").rename(last)


def end(*_):
    save()
    sys.exit(75)


if saves == "asked":
    signal.signal(signal.SIGTERM, end)
while epoch < 10:
    with open(os.environ["CNNJOBS_METRICS"], "a") as file:
        file.write(json.dumps({"step": epoch, "loss": 1 / (1 + epoch), "pid": os.getpid()}) + "\\n")
    epoch += 1
    if saves == "always":
        save()
    for _ in range(20):
        if not Path("fast").exists() or Path("crawl").exists():
            time.sleep(0.1)
print("done")
"""


class Programs(FaultyProject):
    """A sweep of three runs of a program, array task k of which runs program k, slowly until `hurry`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, SWEEP)
        (path / "train.py").write_text(PROGRAM)

    def await_line(self, index: int, attempt: int = 1) -> None:
        """Wait until an attempt at a run has reported."""
        wait_until(
            f"attempt {attempt} at run {index} reports",
            lambda: any(line["attempt"] == attempt for line in self.folders[index].read_metrics()),
            timeout_s=PATIENCE_S,
        )

    def done(self, slurm: Cluster) -> None:
        """Let everything end: each run has reported each step once, by one attempt after the other."""
        self.hurry()
        wait_until("every job has ended", lambda: not slurm.queue(), timeout_s=PATIENCE_S)
        assert [state for state, _ in self.told()] == ["finished"] * 3, self.told()
        for folder in self.folders:
            lines = folder.read_metrics()
            assert [(line["step"], line["loss"]) for line in lines] == [(step, 1 / (1 + step)) for step in range(10)]
            attempts = [line["attempt"] for line in lines]
            assert attempts == sorted(attempts)
            assert folder.read_record().metrics["loss"] == 0.1


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    project = Programs(tmp_path / "it's 5% of a project")
    monkeypatch.chdir(project.path)
    return project


def test_killed_and_cancelled(quick_slurm: Cluster, programs: Programs) -> None:
    programs.sweep()
    for index in range(3):
        programs.await_line(index)
    job = programs.job()
    assert quick_slurm.kill_job_processes(f"{job}_0", command="slurm_main", number=signal.SIGKILL)
    quick_slurm.client("scancel", f"{job}_1", f"{job}_2")
    wait_until("all have ended", lambda: not quick_slurm.queue(), timeout_s=PATIENCE_S)
    assert not any(quick_slurm.job_processes(f"{job}_{index}") for index in range(3))
    (killed, why), (asked, _), (never, _) = programs.told()
    assert (killed, asked, never) == ("interrupted", "cancelled", "cancelled")
    assert "killed by signal 9" in str(why)
    assert "goes on from its checkpoint folder (last of " in str(why)
    assert "submitted: job " in programs.sweep()
    programs.done(quick_slurm)
    assert programs.attempts() == [2, 2, 2]
    # Two of them went on.
    assert [folder.read_metrics()[0]["attempt"] for folder in programs.folders] == [1, 1, 2]


def test_the_time_limit_comes(quick_slurm: Cluster, programs: Programs) -> None:
    programs.sweep()
    job = programs.job()
    for index in range(3):
        programs.await_line(index)
        # As Slurm does ahead of the limit.
        quick_slurm.client("scancel", "--batch", "--signal=USR2", f"{job}_{index}")
    for index in range(3):
        programs.await_state(index, RunState.INTERRUPTED)
    causes = [str(folder.read_record().cause) for folder in programs.folders]
    assert causes[2] == "time limit: starts again from nothing"
    assert all("time limit: goes on from its checkpoint folder (last of " in cause for cause in causes[:2])
    programs.done(quick_slurm)
    assert programs.attempts() == [2, 2, 2]
    assert [folder.read_metrics()[0]["attempt"] for folder in programs.folders] == [1, 1, 2]


def test_preemption(quick_slurm: Cluster, programs: Programs) -> None:
    programs.sweep("partition=low")
    for index in range(3):
        programs.await_line(index)
    urgent = quick_slurm.submit("--partition=main", "--nodes=2", "--exclusive", "--wrap=sleep 4")
    quick_slurm.wait_for(urgent, "RUNNING")
    programs.done(quick_slurm)
    assert programs.attempts() == [2, 2, 2]
    assert programs.folders[1].read_metrics()[0]["attempt"] == 1


def test_a_node_dies_and_comes_back(quick_slurm: Cluster, programs: Programs) -> None:
    programs.sweep()
    for index in range(3):
        programs.await_line(index)
    job = programs.job()
    node = quick_slurm.client("squeue", "-h", "-r", "-j", f"{job}_0", "-o", "%N").strip()
    quick_slurm.kill_node(node)
    quick_slurm.declare_down(node)
    wait_until("Slurm has requeued it", lambda: quick_slurm.queue().get(f"{job}_0") != "RUNNING")
    assert programs.told()[0][0] == "pending"
    quick_slurm.start_slurmd(node)
    programs.done(quick_slurm)
    assert programs.attempts()[0] == 2


def test_a_copy_that_was_given_up_ends_with_its_program(quick_slurm: Cluster, programs: Programs) -> None:
    programs.sweep()
    programs.await_line(0)
    programs.set("crawl")
    job = programs.job()
    node = quick_slurm.client("squeue", "-h", "-r", "-j", f"{job}_0", "-o", "%N").strip()
    old = [each for each in quick_slurm.job_processes(f"{job}_0") if "train.py" in each.command()]
    quick_slurm.kill_slurmd(node)
    quick_slurm.declare_down(node)
    programs.await_attempt(0, 2)
    wait_until(
        "the old copies have ended",
        lambda: not any(running(each.pid, each.started) for each in old), timeout_s=PATIENCE_S,
    )  # fmt: skip
    programs.set("crawl", on=False)
    programs.done(quick_slurm)
    assert programs.attempts()[0] == 2


def test_side_by_side_in_one_job(quick_slurm: Cluster, programs: Programs) -> None:
    programs.sweep("runs_at_once=2", "runs_per_job=3", "cpus_per_run=1")
    for index in range(2):
        programs.await_line(index)
    job = programs.job()
    # Each by `env`, which becomes Python.
    assert sum("train.py" in each.command() for each in quick_slurm.job_processes(f"{job}_0")) == 2
    # As Slurm does ahead of the limit.
    quick_slurm.client("scancel", "--batch", "--signal=USR2", f"{job}_0")
    for index in range(2):
        programs.await_state(index, RunState.INTERRUPTED)
    programs.done(quick_slurm)
    assert programs.attempts() == [2, 2, 1]
    assert [folder.read_metrics()[0]["attempt"] for folder in programs.folders] == [1, 1, 1]
