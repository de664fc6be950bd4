"""A results folder that goes away for a moment while jobs write to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster import Cluster
from cluster_daemons import wait_until
from faulty_project import PATIENCE_S, FaultyProject

pytestmark = pytest.mark.slurm


@pytest.mark.parametrize("settings", [(), ("runs_at_once=2",)])
def test_the_results_folder_goes_away_and_comes_back(
    quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes, settings: tuple[str, ...]
) -> None:
    faulty.set("crawl")
    faulty.sweep(*settings)
    for index in range(3):
        faulty.await_epoch(index)
    results = faulty.path / "results"
    away = results.with_name("away")
    results.rename(away)
    faulty.hurry()
    for folder in faulty.folders:
        waits = f"{folder.run_id}: {faulty.store.path} is away (No such file or directory): waiting for it"
        wait_until("a run waits", lambda words=waits: words in said(away), timeout_s=PATIENCE_S)
    assert not results.exists()
    away.rename(results)
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [1, 1, 1]


def test_the_results_folder_is_away_while_jobs_start(
    quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes, let_start: Callable[[], None]
) -> None:
    faulty.sweep("partition=low")
    results = faulty.path / "results"
    away = results.with_name("away")
    results.rename(away)
    let_start()
    wait_until("they have started", lambda: set(quick_slurm.queue().values()) == {"RUNNING"}, timeout_s=PATIENCE_S)
    for words in (("status",), ("status", "faults"), ("status", "faults.yaml"), ("sweep", "faults.yaml")):
        assert "is away: Slurm has job " in faulty.call(*words, code=2)
    assert not results.exists()
    time.sleep(3)
    away.rename(results)
    wait_until("they tell", lambda: said(results).count("was away: waited for it") == 3, timeout_s=PATIENCE_S)
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [1, 1, 1]


def test_suspended_jobs_count_as_waiting(quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes) -> None:
    faulty.sweep()
    for index in range(3):
        faulty.await_epoch(index)
    job = faulty.job()
    quick_slurm.client("scontrol", "suspend", job)
    for state, cause in faulty.told():
        assert state == "pending"
        assert f"suspended in job {job}_" in str(cause)
    assert faulty.status()["seconds_left"] is None
    assert f"suspended in job {job}_[0-2]" in faulty.call("status", "faults")
    quick_slurm.client("scontrol", "resume", job)
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [1, 1, 1]


def said(results: Path) -> str:
    """Logs of all jobs."""
    return "".join(file.read_text() for file in results.glob("faults/jobs/*/task-*.log"))
