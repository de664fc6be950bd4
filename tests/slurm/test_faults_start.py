"""Faults of starting on a real Slurm: killed launchers, places that are missing, first runs that fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cluster import Cluster
from cluster_daemons import wait_until
from cluster_settings import ClusterSettings
from faulty_project import SWEEP, FaultyProject
from project import PATIENCE_S

from cnnjobs.disk.run_folder import RunState

pytestmark = pytest.mark.slurm

SBATCH = shutil.which("sbatch")


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_launcher_is_killed_around_sbatch(
    quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes, when: str
) -> None:
    work = f'{SBATCH} "$@"\n' if when == "after" else ""
    faulty.sweep(code=-9, PATH=faulty.replace_sbatch(f"{work}kill -9 $LAUNCHER"))
    assert len(quick_slurm.queue()) == (3 if when == "after" else 0)
    assert {state for state, _ in faulty.told()} == {"pending"}
    faulty.sweep()
    assert len(quick_slurm.queue()) == 3
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [1, 1, 1]


def test_two_sweeps_at_the_same_moment(
    quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes, let_start: Callable[[], None]
) -> None:
    both = [faulty.start("sweep", "faults.yaml", "--set", "job.partition=low") for _ in range(2)]
    said = ["".join(process.communicate(timeout=PATIENCE_S)) for process in both]
    assert sorted(process.returncode for process in both) in ([0, 0], [0, 2]), said
    assert sum("submitted: job " in each for each in said) == 1
    assert len(quick_slurm.queue()) == 3
    let_start()
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [1, 1, 1]


def test_the_controller_is_down_at_submit(quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes) -> None:
    quick_slurm.stop_controller()
    assert "no Slurm controller answers" in faulty.sweep(code=2)
    assert not (faulty.path / "results").exists()
    quick_slurm.start_controller()
    faulty.sweep()
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [1, 1, 1]


def test_out_of_memory(quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes) -> None:
    limited = SWEEP.replace("mem_gb: 0.5", 'mem_gb: 0.5, setup: ["ulimit -v 7000000"]')
    (faulty.path / "faults.yaml").write_text(limited)
    faulty.sweep('setup=["ulimit -v 7000000", "touch full"]')
    wait_until("every job has ended", lambda: not quick_slurm.queue(), timeout_s=PATIENCE_S)
    for state, cause in faulty.told():
        assert state == "failed"
        assert "memory is full" in str(cause) or "out of memory" in str(cause)
    faulty.set("full", on=False)
    assert "nothing to submit" in faulty.sweep()
    faulty.call("retry", "faults", "--cause", "oom")
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [2, 2, 2]


def test_the_working_directory_is_missing(
    quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes, let_start: Callable[[], None], tmp_path: Path
) -> None:
    results = ("--results", str(tmp_path / "elsewhere"))
    faulty.call("sweep", "faults.yaml", "--set", "job.partition=low", *results)
    faulty.path.rename(tmp_path / "moved")
    let_start()
    wait_until("every job has ended", lambda: not quick_slurm.queue(), timeout_s=PATIENCE_S)
    (tmp_path / "moved").rename(faulty.path)
    (faulty.path / "results").symlink_to(tmp_path / "elsewhere")
    for state, cause in faulty.told():
        assert state == "failed"
        assert f"the working directory {faulty.path} is missing on node n" in str(cause)
    assert faulty.attempts() == [0, 0, 0]
    faulty.call("retry", "faults")
    faulty.finish(quick_slurm, quiet)


def test_python_is_missing(
    quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes, let_start: Callable[[], None]
) -> None:
    environment = faulty.path / "environment"
    venv.create(environment, symlinks=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    ours = [folder for folder in sys.path if folder.endswith("packages")]
    (packages / "ours.pth").write_text("".join(f"import site; site.addsitedir({folder!r})\n" for folder in ours))
    faulty.python = str(environment / "bin" / "python")
    faulty.sweep("partition=low")
    environment.rename(faulty.path / "moved")
    let_start()
    wait_until("every job has ended", lambda: not quick_slurm.queue(), timeout_s=PATIENCE_S)
    (faulty.path / "moved").rename(environment)
    for state, cause in faulty.told():
        assert state == "failed"
        assert f"the Python {faulty.python} is missing on node n" in str(cause)
    faulty.call("retry", "faults")
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [1, 1, 1]


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing can be written below the folder, by root either."""
    for options in (["--bind"], ["-o", "remount,bind,ro"]):
        done = subprocess.run(
            ["mount", *options, str(folder), str(folder)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            subprocess.run(["umount", str(folder)], capture_output=True, check=False)
            pytest.skip(f"no folder can be made read-only here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_the_results_folder_is_read_only(
    quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes, let_start: Callable[[], None]
) -> None:
    results = faulty.path / "results"
    results.mkdir()
    with read_only(results):
        assert "the file system can only be read" in faulty.sweep(code=2)
    assert quick_slurm.queue() == {}
    faulty.sweep("partition=low")
    with read_only(results):
        let_start()
        wait_until("they have started", lambda: set(quick_slurm.queue().values()) == {"RUNNING"}, timeout_s=PATIENCE_S)
        for state, cause in faulty.told():
            assert state == "pending"
            assert "is starting it on n" in str(cause)
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [1, 1, 1]


def test_the_first_run_fails(quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes) -> None:
    # As on a node that lacks something: what fails here as well is not submitted.
    faulty.sweep("canary=true", "setup=[touch broken]")
    faulty.await_state(0, RunState.FAILED)
    job = faulty.job()
    wait_until("its array task has ended", lambda: set(quick_slurm.queue()) == {f"{job}_1", f"{job}_2"})
    status = faulty.status()
    assert f"job {job}: 2 jobs held: the first run did not pass its first validation" in status["held"][0]
    (state, cause), *rest = faulty.told()
    assert state == "failed"
    assert "ValueError: no such layer" in str(cause)
    for state, cause in rest:
        assert state == "pending"
        assert "held: the first run did not pass its first validation (failed: ValueError" in str(cause)
    assert status["next"] == "cnnjobs retry faults"
    again = faulty.sweep("canary=true")
    assert "nothing to submit: 2 queued, 1 failed" in again
    assert f"job {job}: 2 jobs held: the first run did not pass its first validation (failed: ValueError" in again
    assert "let it go on with: cnnjobs retry faults.yaml" in again
    assert "pending" in faulty.call("status", "faults", "--watch")
    faulty.set("broken", on=False)
    faulty.call("retry", "faults")
    faulty.finish(quick_slurm, quiet)
    assert faulty.attempts() == [2, 1, 1]


def test_a_release_that_the_controller_forgets(quick_slurm: Cluster, faulty: FaultyProject, quiet: bytes) -> None:
    faulty.set("crawl")
    faulty.sweep("canary=true")
    job = faulty.job()
    rest = [f"{job}_1", f"{job}_2"]
    faulty.await_epoch(0)
    wait_until("the rest may start", lambda: "JobHeldUser" not in quick_slurm.client("squeue", "-h", "-o", "%r"))
    # As a controller does that is killed before it has saved its state.
    quick_slurm.client("scontrol", "requeue", *rest, check=False)
    quick_slurm.client("scontrol", "uhold", *rest)

    def is_let_go() -> bool:
        # The first run's job looks again soon after it has let the others go; else this look does it.
        faulty.status()
        return "JobHeldUser" not in quick_slurm.client("squeue", "-h", "-r", "-o", "%r")

    wait_until("the rest is let go again", is_let_go)
    faulty.finish(quick_slurm, quiet)


def test_a_line_of_setup_fails(quick_slurm: Cluster, faulty: FaultyProject) -> None:
    (faulty.path / "faults.yaml").write_text(
        SWEEP.replace("mem_gb: 0.5", "setup: [module load cuda/99, touch went-on]")
    )
    faulty.sweep()
    wait_until("every job has ended", lambda: not quick_slurm.queue(), timeout_s=PATIENCE_S)
    for state, cause in faulty.told():
        assert state == "failed"
        assert "setup: module load cuda/99: exit code 127 on node n" in str(cause)
    assert not (faulty.path / "went-on").exists()


def test_five_equal_failures(quick_slurm: Cluster, faulty: FaultyProject) -> None:
    (faulty.path / "faults.yaml").write_text(SWEEP.replace("seeds: 3", "seeds: 7"))
    faulty.hurry()
    faulty.sweep("canary=false", "max_parallel=1", "setup=[touch broken]")
    job = faulty.job()
    held = {f"{job}_5", f"{job}_6"}
    wait_until("five have failed", lambda: set(quick_slurm.queue()) == held, timeout_s=PATIENCE_S)
    status = faulty.status()
    assert status["counts"] == {"failed": 5, "pending": 2}
    assert "5 runs in a row failed alike" in status["held"][0]
    faulty.set("broken", on=False)
    faulty.call("retry", "faults")
    wait_until("every job has ended", lambda: not quick_slurm.queue(), timeout_s=PATIENCE_S)
    assert faulty.status()["counts"] == {"finished": 7}


def test_accounting_is_off(
    start_slurm: Callable[[ClusterSettings], Cluster], faulty: FaultyProject, quiet: bytes
) -> None:
    slurm = start_slurm(ClusterSettings(nodes=2, gpus=0, accounting=False, cred_expire_s=5))
    faulty.sweep("max_parallel=2")
    faulty.await_epoch(0)
    job = faulty.job()
    slurm.kill_job_processes(f"{job}_0", command="slurm_main")
    slurm.client("scancel", f"{job}_2")
    wait_until("both have left", lambda: set(slurm.queue()) <= {f"{job}_1"}, timeout_s=PATIENCE_S)
    status = faulty.status()
    assert status["notices"] == []
    (first, cause), _, (third, _) = faulty.told()
    assert (first, third) == ("interrupted", "cancelled")
    assert "killed by signal 9 (SIGKILL)" in str(cause)
    faulty.call("retry", "faults")
    faulty.finish(slurm, quiet)
    assert faulty.attempts() == [2, 1, 1]
