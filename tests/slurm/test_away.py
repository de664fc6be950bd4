"""A results folder that goes away for a moment while jobs write to it."""

from __future__ import annotations

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


def said(results: Path) -> str:
    """What all jobs have said."""
    return "".join(file.read_text() for file in results.glob("faults/jobs/*/task-*.log"))
