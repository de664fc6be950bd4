"""Runs that train as one network, on a real Slurm: whatever stops them, each gives the numbers of a quiet machine."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from cluster import Cluster
from cluster_daemons import wait_until
from cluster_processes import send
from faulty_project import FaultyProject

pytestmark = pytest.mark.slurm

SWEEP = """\
name: faults
method: grid
base:
  dataset: "striped:stripes"
  model: {name: cnn, filters: [4], kernel_size: 3, hidden: [], batch_norm: true}
  loss: "striped:SlowLoss"
  augment: [flip]
  batch_size: 8
  epochs: 10
parameters: {lr: {values: [0.01, 0.02, 0.05, 0.1]}}
job: {gpus_per_run: 0, mem_gb: 0.5, runs_per_job: 2, stack: 2}
"""


def test_stacks_that_are_killed_and_requeued_give_the_same_numbers(quick_slurm: Cluster, tmp_path: Path) -> None:
    undisturbed = FaultyProject(tmp_path / "undisturbed", SWEEP)
    undisturbed.hurry()
    undisturbed.call(
        "local", "faults.yaml", "--no-report", "--set", "job.max_parallel=1", "--set", "job.cpus_per_run=1"
    )
    stacked = FaultyProject(tmp_path / "stacked", SWEEP)
    said = stacked.sweep()
    assert "2 stacks of 2: 4 runs that share their batches train as one network each" in said
    for index in range(4):
        stacked.await_epoch(index)
    records = [folder.read_record() for folder in stacked.folders]
    assert [record.attempts[0].stacked for record in records] == [1] * 4
    assert [len({record.attempts[0].pid for record in pair}) for pair in (records[:2], records[2:])] == [1, 1]
    # With whom each shares its batches.
    for record in records[:2]:
        (told,) = (note for note in record.notes if "trained stacked" in note)
        assert all((other.run_id in told) is (other in records[:2]) for other in records)
    job = stacked.job()
    send(quick_slurm.job_processes(f"{job}_0"), signal.SIGKILL)
    quick_slurm.client("scontrol", "requeue", f"{job}_1")
    wait_until("the killed array task has left", lambda: f"{job}_0" not in quick_slurm.queue())
    assert [(state, "killed by signal 9" in str(cause)) for state, cause in stacked.told()[:2]] == [
        ("interrupted", True)
    ] * 2
    assert "2 to resume" in stacked.sweep()
    stacked.finish(quick_slurm, undisturbed.table())
    assert stacked.attempts() == [2, 2, 2, 2]
