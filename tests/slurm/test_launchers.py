"""`cnnjobs sweep` on real daemons: launchers that are killed, doubled or get no answer; nothing goes twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster import Cluster
from cluster_daemons import wait_until
from project import Shades, finish

pytestmark = pytest.mark.slurm

SBATCH = shutil.which("sbatch")
GO = "go-on"


def test_a_controller_that_is_down(slurm: Cluster, project: Shades) -> None:
    slurm.stop_controller()
    said = project.sweep(code=2)
    assert "no Slurm controller answers" in said
    assert "run on this machine with: cnnjobs local shades.yaml" in said
    slurm.start_controller()
    gone = "echo 'sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)' >&2"
    said = project.sweep(code=2, PATH=project.replace_sbatch(f"{gone}; exit 1"))
    assert "cost: 3 runs: " in said
    assert "nothing was submitted: Batch job submission failed: Unable to contact slurm controller" in said
    assert not (project.path / "results").exists()


@pytest.mark.usefixtures("quick")
def test_killed_between_intent_and_sbatch(slurm: Cluster, project: Shades) -> None:
    project.sweep(code=-9, PATH=project.replace_sbatch("kill -9 $LAUNCHER"))
    assert slurm.queue() == {}
    assert len(project.submissions()) == 1
    said = project.sweep()
    assert "ended before it reached Slurm: its runs are submitted now" in said
    assert len(project.submissions()) == 1
    finish(project, slurm)
    assert project.attempts() == [1, 1, 1]


@pytest.mark.usefixtures("quick")
def test_killed_between_sbatch_and_its_number(slurm: Cluster, project: Shades) -> None:
    project.sweep(code=-9, PATH=project.replace_sbatch(f'{SBATCH} "$@"; kill -9 $LAUNCHER'))
    assert len(slurm.queue()) == 3
    assert not list(project.store.jobs_folder.glob("*/id.json"))
    said = project.sweep()
    assert "found again as job " in said
    assert "was not let go: done now" in said
    assert "nothing to submit: 3 queued" in said
    finish(project, slurm)
    assert project.attempts() == [1, 1, 1]


@pytest.mark.usefixtures("quick")
def test_killed_while_sbatch_is_at_work(slurm: Cluster, project: Shades) -> None:
    later = f'kill -9 $LAUNCHER; until [ -e {GO} ]; do sleep 0.05; done; exec {SBATCH} "$@"'
    with project.start("sweep", "shades.yaml", PATH=project.replace_sbatch(later)) as killed:
        assert killed.wait(timeout=60) == -9
    assert "an sbatch of an earlier start is still at work" in project.sweep(code=2)
    (project.path / GO).touch()
    wait_until("sbatch has done its work", lambda: len(slurm.queue()) == 3)
    wait_until("it is found", lambda: "found again as job " in project.sweep())
    finish(project, slurm)
    assert project.attempts() == [1, 1, 1]


@pytest.mark.usefixtures("quick")
def test_two_launchers_at_the_same_moment(slurm: Cluster, project: Shades, waiting: Callable[[], None]) -> None:
    both = [project.start("sweep", "shades.yaml", "--set", "job.partition=low") for _ in range(2)]
    said = ["".join(process.communicate(timeout=60)) for process in both]
    codes = [process.returncode for process in both]
    assert sorted(codes) in ([0, 2], [0, 0]), said
    other = said[codes.index(2)] if 2 in codes else "\n".join(said)
    assert "is being run already, by process" in other or "nothing to submit: 3 queued" in other
    assert len(slurm.queue()) == 3
    waiting()
    finish(project, slurm)
    assert project.attempts() == [1, 1, 1]


def test_a_folder_or_python_that_the_node_does_not_have(
    slurm: Cluster, project: Shades, waiting: Callable[[], None], tmp_path: Path
) -> None:
    results = tmp_path / "elsewhere"
    project.call("sweep", "shades.yaml", "--set", "job.partition=low", "--results", str(results))
    project.path.rename(tmp_path / "moved")
    waiting()
    wait_until("every job has ended", lambda: not slurm.queue())
    (log,) = results.glob("shades/jobs/*/task-1.log")
    assert f"cnnjobs: the working directory {project.path} is missing on node n" in log.read_text()
