"""Runs that share a job on a real Slurm: whatever stops them, they end as those that have a job alone."""

from __future__ import annotations

import signal

import pytest
from cluster import Cluster
from cluster_daemons import wait_until
from cluster_processes import running, send
from faulty_project import FaultyProject
from project import PATIENCE_S

from cnnjobs.disk.run_folder import RunState

pytestmark = pytest.mark.slurm

# ArrayTask 0 has the first and the third run, array task 1 the second.
TOGETHER = (0, 2)


def start(slurm: Cluster, faulty: FaultyProject) -> str:
    """The sweep two by two, when both runs of its first job train; the number of its array."""
    # Slow enough that none has finished when the last of them has begun.
    faulty.set("crawl")
    said = faulty.sweep("runs_at_once=2")
    assert "2 jobs: the default partition, 2 runs side by side in each, 2 cores each" in said
    for index in TOGETHER:
        faulty.await_epoch(index)
    return faulty.job()


def test_two_runs_in_one_job_train_at_the_same_time(quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes) -> None:
    job = start(quick_slurm, faulty)
    records = [faulty.folders[index].read_record() for index in TOGETHER]
    assert [record.state for record in records] == [RunState.RUNNING] * 2
    assert {record.attempts[0].job_id for record in records} == {f"{job}_0"}
    assert len({record.attempts[0].pid for record in records}) == 2
    assert [record.attempts[0].threads for record in records] == [1, 1]
    shown = quick_slurm.client("scontrol", "show", "job", f"{job}_0")
    assert "NumCPUs=2" in shown
    assert [state for state, _ in faulty.told()] == ["running"] * 3
    logged = faulty.call("logs", faulty.folders[2].run_id)
    assert f"{faulty.folders[2].run_id}: epoch 1/10" in logged
    assert faulty.folders[0].run_id not in logged
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [1, 1, 1]


def test_a_time_limit_stops_both_and_requeues_their_element_once(
    quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes
) -> None:
    job = start(quick_slurm, faulty)
    quick_slurm.client("scancel", "--batch", "--signal=USR2", f"{job}_0")
    for index in TOGETHER:
        faulty.await_state(index, RunState.INTERRUPTED)
        assert str(faulty.folders[index].read_record().cause).startswith("time limit: goes on from epoch ")
    wait_until("it waits for its next start", lambda: quick_slurm.queue().get(f"{job}_0") == "PENDING")
    for index in TOGETHER:
        faulty.await_attempt(index, 2)
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [2, 1, 2]
    assert quick_slurm.job_states(job)[f"{job}_0"] == ["REQUEUED", "COMPLETED"]


def test_a_killed_run_leaves_the_other_alone_and_starts_again(
    quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes
) -> None:
    job = start(quick_slurm, faulty)
    run_id = faulty.folders[0].run_id
    pid = faulty.folders[0].read_record().attempts[0].pid
    send([one for one in quick_slurm.job_processes(f"{job}_0") if one.pid == pid], signal.SIGKILL)
    faulty.await_attempt(0, 2)
    assert f"{run_id}: its process was killed by signal 9: it starts again after the others" in faulty.log(0)
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [2, 1, 1]


def test_a_killed_job_takes_its_runs_along(quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes) -> None:
    job = start(quick_slurm, faulty)
    processes = quick_slurm.job_processes(f"{job}_0")
    children = {faulty.folders[index].read_record().attempts[0].pid for index in TOGETHER}
    (parent,) = (one for one in processes if one.pid not in children)
    assert {one.pid for one in processes} == {parent.pid, *children}
    send([parent], signal.SIGKILL)
    for one in processes:
        wait_until(f"{one.pid} has ended", lambda one=one: not running(one.pid, one.started))
    wait_until("the array task has ended", lambda: f"{job}_0" not in quick_slurm.queue())
    for state, cause in faulty.told()[:2]:
        assert state == "interrupted"
        assert f"killed by signal 9 (SIGKILL), job {job}_0" in str(cause)
    assert "submitted: job " in faulty.sweep("runs_at_once=2")
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [2, 1, 2]


def test_a_cancelled_job_stops_both(quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes) -> None:
    job = start(quick_slurm, faulty)
    quick_slurm.client("scancel", f"{job}_0")
    wait_until("it has left", lambda: f"{job}_0" not in quick_slurm.queue(), timeout_s=PATIENCE_S)
    assert [state for state, _ in faulty.told()[:2]] == ["cancelled"] * 2
    assert "submitted: job " in faulty.sweep("runs_at_once=2")
    faulty.finish(quick_slurm, quiet)


def test_both_copies_on_a_lost_node_stop_when_new_ones_come(
    quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes
) -> None:
    job = start(quick_slurm, faulty)
    node = quick_slurm.client("squeue", "-h", "-r", "-j", f"{job}_0", "-o", "%N").strip()
    old = quick_slurm.job_processes(f"{job}_0")
    assert len(old) == 3
    quick_slurm.kill_slurmd(node)
    quick_slurm.declare_down(node)
    # The other node is full: its run makes room, or the lost copies would finish before their array task starts again.
    quick_slurm.client("scontrol", "requeuehold", f"{job}_1")
    for index in TOGETHER:
        faulty.await_attempt(index, 2)
    quick_slurm.client("scontrol", "release", f"{job}_1")
    for process in old:
        wait_until(
            "the old copy has ended", lambda one=process: not running(one.pid, one.started), timeout_s=PATIENCE_S
        )
    assert faulty.log(0).count("a newer attempt has it: this copy of the job ends") == 2
    faulty.finish(quick_slurm, quiet)
    assert [faulty.attempts()[index] for index in TOGETHER] == [2, 2]


def test_the_first_run_goes_before_the_other_of_its_job(
    quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes
) -> None:
    faulty.sweep("runs_at_once=3", "canary=true", "cpus_per_run=1", "max_parallel=2")
    faulty.await_epoch(0)
    faulty.await_epoch(2)
    first, other = (faulty.folders[index].read_record().attempts[0] for index in TOGETHER)
    assert first.started < other.started
    faulty.finish(quick_slurm, quiet)


def test_a_job_finds_out_how_many_runs_it_carries(quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes) -> None:
    said = faulty.sweep("runs_at_once=auto", "mem_gb=3")
    assert "2 jobs: the default partition, up to 2 runs side by side in each, found out by the first, 2 cores" in said
    for index in TOGETHER:
        faulty.await_epoch(index)
    first, other = (faulty.folders[index].read_record() for index in TOGETHER)
    assert first.attempts[0].started < other.attempts[0].started
    assert [record.attempts[0].threads for record in (first, other)] == [1, 1]
    found = "2 runs at once, of 2 at most: one takes 0."
    assert [any(note.startswith(found) for note in record.notes) for record in (first, other)] == [False, True]
    faulty.finish(quick_slurm, quiet)
    assert faulty.log(0).count(f"worker: {found}") == 1
