"""Random faults, by a seed: the table of an undisturbed sweep, and no wrong state on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cluster import Cluster
from fault_schedule import run_quietly, run_schedule
from faulty_project import BAYES, SEARCH, FaultyProject

pytestmark = pytest.mark.slurm

SEEDS = int(os.environ.get("CNNJOBS_FAULT_SEEDS", "1"))


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_a_schedule_of_faults(quick_slurm: Cluster, quiet_project: FaultyProject, tmp_path: Path, seed: int) -> None:
    run_schedule(seed, quick_slurm, tmp_path, quiet_project)


@pytest.fixture(scope="module", params=[SEARCH, BAYES], ids=["early", "bayes"])
def quiet_search(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FaultyProject:
    return run_quietly(tmp_path_factory.mktemp("search"), request.param)


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_a_search_decides_the_same_whatever_happens(
    quick_slurm: Cluster, quiet_search: FaultyProject, tmp_path: Path, seed: int
) -> None:
    assert "stopped" in quiet_search.table().decode()
    assert len(quiet_search.decisions()) > 3
    run_schedule(seed, quick_slurm, tmp_path, quiet_search)
