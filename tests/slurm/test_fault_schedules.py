"""Random faults, by a seed: the table of an undisturbed sweep, and no wrong state on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cluster import Cluster
from fault_schedule import run_schedule

pytestmark = pytest.mark.slurm

SEEDS = int(os.environ.get("CNNJOBS_FAULT_SEEDS", "1"))


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_a_schedule_of_faults(quick_slurm: Cluster, quiet: bytes, tmp_path: Path, seed: int) -> None:
    run_schedule(seed, quick_slurm, tmp_path, quiet)
