"""Faults while a sweep trains on a real Slurm: the right word for each, nothing lost, the table of a quiet day."""

from __future__ import annotations

import signal

import pytest
from cluster import Cluster
from cluster_daemons import wait_until
from cluster_processes import running
from faulty_project import FaultyProject
from project import PATIENCE_S

from cnnjobs.disk.run_folder import RunState

pytestmark = pytest.mark.slurm


def test_a_killed_process(quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes) -> None:
    faulty.sweep()
    faulty.await_epoch(0)
    job = faulty.job()
    assert quick_slurm.kill_job_processes(f"{job}_0", command="slurm_main", number=signal.SIGKILL)
    wait_until("the array task has ended", lambda: f"{job}_0" not in quick_slurm.queue())
    state, cause = faulty.told()[0]
    assert state == "interrupted"
    assert f"killed by signal 9 (SIGKILL), job {job}_0 on n" in str(cause)
    assert "goes on from epoch " in str(cause)
    assert "submitted: job " in faulty.sweep()
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [2, 1, 1]


def test_scancel_of_one_task_and_of_one_that_waits(quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes) -> None:
    faulty.sweep("max_parallel=2")
    faulty.await_epoch(0)
    job = faulty.job()
    quick_slurm.client("scancel", f"{job}_0", f"{job}_2")
    wait_until("both have left", lambda: set(quick_slurm.queue()) <= {f"{job}_1"})
    (first, why), (second, _), (third, why_not) = faulty.told()
    assert (first, third) == ("cancelled", "cancelled")
    assert second in ("pending", "running")
    assert str(why).startswith("cancelled by root at 20")
    # Whether Slurm's queue or accounting ever hears of an array task that waited is left to chance.
    assert str(why_not).startswith("cancelled")
    assert f"job {job}_2" in str(why_not)
    assert str(why_not).endswith(("before the run began", "before it started"))
    faulty.hurry()
    faulty.await_state(1, RunState.FINISHED)
    assert "2 jobs" in faulty.sweep()
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [2, 1, 1]


def test_a_sweep_is_retried_right_after_it_was_cancelled(
    quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes
) -> None:
    faulty.sweep("max_parallel=2")
    faulty.await_epoch(0)
    assert "faults: cancelled 3 runs" in faulty.call("cancel", "faults")
    assert "3 to run again" in faulty.call("retry", "faults", "--dry-run")
    assert [state for state, _ in faulty.told()] == ["cancelled"] * 3
    assert "submitted: job " in faulty.call("retry", "faults")
    faulty.finish(quick_slurm, quiet)
    assert "nothing to retry: no run failed" in faulty.call("retry", "faults")


def test_the_time_limit_comes_twice(quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes) -> None:
    faulty.set("children")
    faulty.sweep()
    job = faulty.job()
    for attempt in (1, 2):
        faulty.await_epoch(0, attempt)
        assert len(quick_slurm.job_processes(f"{job}_0")) >= 3
        # As Slurm does ahead of the limit.
        quick_slurm.client("scancel", "--batch", "--signal=USR2", f"{job}_0")
        faulty.await_state(0, RunState.INTERRUPTED)
        wait_until("it waits for its next start", lambda: quick_slurm.queue().get(f"{job}_0") == "PENDING")
        state, cause = faulty.told()[0]
        assert state == "pending"
        assert str(cause).startswith("goes on from epoch ")
        assert "nothing to submit" in faulty.sweep()
        faulty.await_attempt(0, attempt + 1)
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [3, 1, 1]
    assert set(quick_slurm.job_states(job)[f"{job}_0"]) == {"REQUEUED", "COMPLETED"}


@pytest.mark.parametrize("partition", ["low", "low_cancel"])
def test_preemption(quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes, partition: str) -> None:
    faulty.sweep(f"partition={partition}")
    for index in range(3):
        faulty.await_epoch(index)
    job = faulty.job()
    urgent = quick_slurm.submit("--partition=main", "--nodes=2", "--exclusive", "--wrap=sleep 8")
    quick_slurm.wait_for(urgent, "RUNNING")
    # Where Slurm cancels a job for another, that requeues itself.
    wait_until(
        "all are requeued", lambda: all(quick_slurm.queue().get(f"{job}_{index}") == "PENDING" for index in range(3))
    )
    for state, cause in faulty.told():
        assert state == "pending"
        assert "goes on from epoch" in str(cause)
        assert "after a requeue Slurm waits a moment" in str(cause) or "waits for" in str(cause)
    assert "nothing to submit" in faulty.sweep()
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [2, 2, 2]


def test_a_node_dies_and_comes_back(quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes) -> None:
    faulty.sweep()
    for index in range(3):
        faulty.await_epoch(index)
    job = faulty.job()
    node = quick_slurm.client("squeue", "-h", "-r", "-j", f"{job}_0", "-o", "%N").strip()
    quick_slurm.kill_node(node)
    quick_slurm.declare_down(node)
    wait_until("Slurm has requeued it", lambda: quick_slurm.queue().get(f"{job}_0") != "RUNNING")
    state, _ = faulty.told()[0]
    assert state == "pending"
    quick_slurm.start_slurmd(node)
    assert "nothing to submit" in faulty.sweep()
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts()[0] == 2


def test_a_slurmd_dies_and_its_job_lives_on(quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes) -> None:
    faulty.sweep()
    faulty.await_epoch(0)
    # The old copy is to be at work still when the new one comes.
    faulty.set("crawl")
    job = faulty.job()
    node = quick_slurm.client("squeue", "-h", "-r", "-j", f"{job}_0", "-o", "%N").strip()
    (old,) = quick_slurm.job_processes(f"{job}_0")
    quick_slurm.kill_slurmd(node)
    quick_slurm.declare_down(node)
    faulty.await_attempt(0, 2)
    wait_until("the old copy has ended", lambda: not running(old.pid, old.started), timeout_s=PATIENCE_S)
    assert "a newer attempt has it: this copy of the job ends" in faulty.log(0)
    assert faulty.told()[0][0] == "running"
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts()[0] == 2


def test_the_controller_restarts(quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes) -> None:
    faulty.sweep("max_parallel=2")
    faulty.await_epoch(0)
    faulty.set("crawl")
    quick_slurm.stop_controller()
    status = faulty.status()
    assert status["notices"][0].startswith("the queue could not be asked: squeue")
    assert {run["state"] for run in status["runs"]} <= {"running", "pending"}
    assert "no Slurm controller answers" in faulty.sweep(code=2)
    quick_slurm.start_controller()
    assert "nothing to submit" in faulty.sweep()
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [1, 1, 1]


def test_slurmdbd_is_down(quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes) -> None:
    quick_slurm.stop_dbd()
    faulty.sweep()
    faulty.await_epoch(0)
    job = faulty.job()
    quick_slurm.kill_job_processes(f"{job}_0", command="slurm_main", number=signal.SIGKILL)
    wait_until("the array task has ended", lambda: f"{job}_0" not in quick_slurm.queue())
    status = faulty.status()
    assert any(notice.startswith("accounting could not be asked: sacct") for notice in status["notices"])
    assert faulty.told()[0][0] == "interrupted"
    faulty.sweep()
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [2, 1, 1]
