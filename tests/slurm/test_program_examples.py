"""Programs in the manner of each kind, by their sweep files on a real Slurm."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster
from cluster_daemons import wait_until

from cnnjobs.disk.run_folder import RunState, RunStore
from tests.shared.program_examples import REPORTS, write_example

pytestmark = pytest.mark.slurm
PATIENCE_S = 240


def test_each_kind_reports_every_step(slurm: Cluster, tmp_path: Path) -> None:
    """Of libraries that are not installed there is nothing to be seen here: tests/programs says so."""
    given = [report for report in map(_installed, REPORTS) if report is not None]
    stores = {}
    for name, *_ in given:
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        write_example(name, folder)
        command = [sys.executable, "-m", "cnnjobs", "sweep", "sweep.yaml", "--set", "job.mem_gb=0.8"]
        done = subprocess.run(
            command, cwd=folder, env=os.environ.copy(), capture_output=True, text=True, check=False
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        (stores[name],) = [RunStore(path.parent) for path in folder.glob("results/*/sweep.yaml")]
    wait_until("every job has ended", lambda: not slurm.queue(), timeout_s=PATIENCE_S)
    for name, metric, expected, source in given:
        # The first point of the grid is the one of which the values are known.
        records = {run.run_id: run.read_record() for run in stores[name].runs()}
        assert {record.state for record in records.values()} == {RunState.FINISHED}, (name, records)
        found = [
            [(line["step"], pytest.approx(line[metric])) for line in run.read_metrics() if metric in line]
            for run in stores[name].runs()
        ]
        assert expected in found, (name, found)
        assert all(f"metrics came by {source}" in record.notes for record in records.values()), (name, records)


def _installed(report: Any) -> tuple[Any, ...] | None:
    if not hasattr(report, "marks"):
        return tuple(report)
    return None if any(mark.args[0] for mark in report.marks) else tuple(report.values)
