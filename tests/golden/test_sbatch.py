"""Text handed to sbatch, to the letter: a changed line is seen here before a cluster sees it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cnnjobs.config.profile import JobProfile
from cnnjobs.disk.submission_folder import JobArray, SubmissionFolder
from cnnjobs.launch.array.script import executor_for

GOLDEN = Path(__file__).parent / "sbatch"
PLAIN = JobProfile(name="slurm-cpu")
FULL = JobProfile(
    name="slurm-gpu",
    partition="gpu",
    account="lab",
    qos="long",
    constraint="a100&nvme",
    exclude="n[1-3]",
    mem_gb=7.5,
    timeout_min=720,
    setup=("module load cuda/12.4", 'source "$HOME/it\'s mine/bin/activate"'),
    extra={"mail-type": "FAIL", "comment": "two words", "exclusive": True, "overcommit": False, "nice": 100},
    max_requeues=0,
    signal_lead_s=300,
)


RANKS = JobProfile(name="slurm-gpu", nodes=2, gpus_per_run=4, cpus_per_run=8, mem_gb=16)


@pytest.mark.parametrize("name", ["plain", "full", "ranks"])
def test_golden_sbatch_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path("/home/me/my sweeps")
    monkeypatch.setattr("cnnjobs.launch.array.script.Path.cwd", lambda: here)
    monkeypatch.setattr("sys.executable", "/opt/conda/bin/python")
    full = name == "full"
    folder = SubmissionFolder(
        here / "results" / ("100% sure" if full else "first") / "jobs" / "20260102T030405-0a1b2c3d"
    )
    array = JobArray(
        job_name="cnnjobs-first-0a1b2c3d", tasks=[["a"], ["b"], ["c"]], store=folder.path.parents[1],
        threads={"plain": 1, "full": 4, "ranks": 2}[name], gpus={"plain": 0, "full": 1, "ranks": 4}[name],
        nodes=2 if name == "ranks" else 1, canary=full,
        created="2026-01-02T03:04:05+00:00", host="login", user="me",
    )  # fmt: skip
    text = executor_for(
        folder, array, {"plain": PLAIN, "full": FULL, "ranks": RANKS}[name],
        max_parallel=2 if full else None, after=(41, 42) if full else (),
        environment={"PYTHONPATH": "/home/me/my modules"} if full else {},
    ).text  # fmt: skip
    golden = GOLDEN / f"{name}.sh"
    if os.environ.get("CNNJOBS_GOLDEN") == "write":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8"), "if that is meant, write the file again with: make golden"
