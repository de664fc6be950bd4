"""A run on two nodes at once of a real Slurm."""

from __future__ import annotations

import signal

import pytest
from cluster import Cluster
from cluster_daemons import wait_until
from cluster_processes import Process, send
from faulty_project import SWEEP, FaultyProject
from project import PATIENCE_S

from cnnjobs.disk.run_folder import RunState

pytestmark = pytest.mark.slurm


def ranks(slurm: Cluster, job: str) -> list[Process]:
    """The processes that train, which srun has started on the nodes."""
    return [one for one in slurm.job_processes(job) if "rank_main" in one.command() and "srun" not in one.command()]


def test_a_run_on_two_nodes_goes_on_after_a_lost_rank_and_a_time_limit(
    quick_slurm: Cluster, faulty: FaultyProject
) -> None:
    faulty.sweep_file.write_text(SWEEP.replace("seeds: 3", "seeds: 1"))
    said = faulty.sweep("nodes=2")
    assert "1 job: the default partition, 2 cores each, no GPU, 2 ranks on 2 nodes for each run" in said
    job = f"{faulty.job()}_0"
    faulty.await_epoch(0)
    assert "NumNodes=2" in quick_slurm.client("scontrol", "show", "job", job)
    (run,) = faulty.folders
    leader = run.read_record().attempts[0].pid
    (other,) = (one for one in ranks(quick_slurm, job) if one.pid != leader)
    send([other], signal.SIGKILL)
    faulty.await_attempt(0, 2)
    faulty.await_epoch(0, 2)
    quick_slurm.client("scancel", "--batch", "--signal=USR2", job)
    faulty.await_state(0, RunState.INTERRUPTED)
    assert str(run.read_record().cause).startswith("time limit: goes on from epoch ")
    faulty.hurry()
    wait_until("every job has ended", lambda: not quick_slurm.queue(), timeout_s=PATIENCE_S)
    record = run.read_record()
    assert (record.state, faulty.lost()) == (RunState.FINISHED, [])
    assert [(attempt.ranks, attempt.threads, attempt.restart) for attempt in record.attempts] == [
        (2, 1, 0), (2, 1, 0), (2, 1, 1)
    ]  # fmt: skip
    assert "attempt 1: one of its 2 ranks ended without an error message" in record.notes
    assert [line["epoch"] for line in run.read_metrics()] == [*range(1, 11)]
    assert len([file for file in run.path.iterdir() if file.name.startswith("events")]) == 1
