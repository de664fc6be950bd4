"""A job array that commit 7d2f52c submitted and that still waits: it starts with today's code."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from cluster import Cluster
from project import Project

import cnnjobs

pytestmark = pytest.mark.slurm

EARLIER = Path(__file__).parents[1] / "golden" / "earlier"
RUNS = sorted(folder.name for folder in (EARLIER / "results" / "old").iterdir() if folder.is_dir())


def test_a_queue_of_an_earlier_version_starts_with_this_one(quick_slurm: Cluster, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", "old", (EARLIER / "old.yaml").read_text())
    submission = project.store.jobs_folder / "20261201T103950-b68c6731"
    submission.mkdir(parents=True)
    # Python and the package take the place of the earlier ones, as an upgrade of the same environment does.
    places = {
        "@PROJECT@": str(project.path), "@PYTHON@": sys.executable, "@PACKAGE@": str(Path(cnnjobs.__file__).parents[1]),
        "now+5minutes": "now",
    }  # fmt: skip
    for name in ("intent.json", "sbatch.sh"):
        text = (EARLIER / "queue" / name).read_text()
        for place, path in places.items():
            text = text.replace(place, path)
        (submission / name).write_text(text)
    assert "-m cnnjobs.training.slurm_worker" in (submission / "sbatch.sh").read_text()
    shutil.copy(EARLIER / "results" / "old" / "sweep.yaml", project.store.path)
    for run_id in RUNS:
        folder = project.store.run(run_id).path
        folder.mkdir()
        shutil.copy(EARLIER / "results" / "old" / run_id / "config.yaml", folder)
    quick_slurm.submit(str(submission / "sbatch.sh"))
    quick_slurm.wait_idle()
    assert [run["state"] for run in project.status()["runs"]] == ["finished", "finished"]
    assert "nothing to submit: 2 finished" in project.sweep()
    assert project.table() == (EARLIER / "results.csv").read_bytes()
