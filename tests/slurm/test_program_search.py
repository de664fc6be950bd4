"""W&B's adaptive sweep file with a program, on real daemons: the decisions of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from cluster import Cluster
from cluster_daemons import wait_until
from project import PATIENCE_S, Project

from tests.flow.test_search import PROGRAM, SWEEP

pytestmark = pytest.mark.slurm


class Search(Project):
    """The search of tests/flow, with its program."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "sweep", f"{SWEEP}job: {{gpus_per_run: 0, mem_gb: 0.5}}\n")
        (path / "train.py").write_text(PROGRAM)

    def decisions(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in sorted((self.store.path / "search").glob("*.json"))}


def test_a_program_is_searched_as_on_this_machine(slurm: Cluster, tmp_path: Path) -> None:
    here, there = Search(tmp_path / "here"), Search(tmp_path / "there")
    here.call("local", "sweep.yaml", "--no-report", "--set", "job.max_parallel=2")
    said = there.sweep()
    assert "2 at a time" in said
    wait_until("every job has ended", lambda: not slurm.queue(), timeout_s=PATIENCE_S)
    assert {run["state"] for run in there.status()["runs"]} == {"finished", "stopped"}
    assert there.decisions() == here.decisions()
    assert there.call("search", "sweep", "--check").endswith("that is what the records have\n")
