"""`cnnjobs evaluate` on real daemons: a job like any other."""

from __future__ import annotations

import pytest
from cluster import Cluster
from cluster_daemons import wait_until
from project import Shades, finish

pytestmark = pytest.mark.slurm


def evaluations(project: Shades) -> dict[str, tuple[str, str | None]]:
    """State and cause by the seed of the run."""
    told = project.status()["evaluations"]
    seeds = {run["run_id"]: run["label"] for run in project.status()["runs"]}
    return {seeds[each["run_id"]]: (each["state"], each["cause"]) for each in told}


def test_evaluations_are_a_job_array(slurm: Cluster, project: Shades) -> None:
    project.sweep()
    finish(project, slurm)
    project.call("report", "shades")
    before = {folder.run_id: folder.read_record() for folder in project.store.runs()}
    slurm.client("scontrol", "update", "PartitionName=main", "State=DOWN")
    said = project.call("evaluate", "shades", "--set", "job.runs_per_job=2")
    assert "on Slurm (Slurmctld(primary)" in said
    assert ": 2 jobs: " in said
    assert ", 3 evaluations" in said
    assert {state for state, _ in evaluations(project).values()} == {"pending"}
    assert project.status()["counts"] == {"finished": 3}
    assert "nothing to submit: 3 finished" in project.sweep()
    slurm.client("scontrol", "update", "PartitionName=main", "State=UP")
    wait_until("every job has ended", lambda: not slurm.queue(), timeout_s=60)
    assert set(evaluations(project).values()) == {("finished", None)}
    for folder in project.store.runs():
        record = folder.read_record()
        metrics = record.evaluations["shades/test"].metrics
        assert metrics == {name: record.metrics[f"test.{name}"] for name in ("loss", "accuracy")}
        assert record.model_copy(update={"evaluations": {}}) == before[folder.run_id]
    assert f"shades/test: loss {metrics['loss']:.4f}" in project.call("logs", folder.run_id)
    project.call("report", "shades")
    assert project.submissions() == []


def test_what_fails_is_told_with_its_cause_and_its_log(slurm: Cluster, project: Shades) -> None:
    project.sweep()
    finish(project, slurm)
    first = project.store.runs()[0]
    weights = first.model_file.read_bytes()
    first.model_file.write_bytes(weights[:99])
    project.call("evaluate", "shades")
    wait_until("every job has ended", lambda: not slurm.queue(), timeout_s=60)
    (state, cause) = evaluations(project)["seed=0"]
    assert state == "failed"
    assert "it is damaged or holds no weights" in str(cause)
    assert "evaluation refused: " in project.call("logs", first.run_id)
    first.model_file.write_bytes(weights)
    project.call("evaluate", "seed=0")
    wait_until("every job has ended", lambda: not slurm.queue(), timeout_s=60)
    assert set(evaluations(project).values()) == {("finished", None)}
