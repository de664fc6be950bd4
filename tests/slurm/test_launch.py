"""`cnnjobs sweep` on real daemons: what is submitted, within which limits, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster import Cluster
from cluster_daemons import wait_until
from cluster_settings import ClusterSettings
from project import SHADES, Shades, finish

pytestmark = pytest.mark.slurm


def test_a_sweep_gives_the_table_of_this_machine(slurm: Cluster, project: Shades, tmp_path: Path, shades: Path) -> None:
    said = project.sweep("canary=true", "max_parallel=2", SLURM_JOB_ID="7", SBATCH_PARTITION="nowhere")
    assert "on Slurm (Slurmctld(primary)" in said
    assert "the first run goes ahead" in said
    assert "cost: 3 runs: not known: no such run was measured yet" in said
    assert "submitted: job " in said
    again = project.sweep()
    assert "3 queued" in again or "running" in again
    finish(project, slurm)
    (folder,) = project.submissions()
    assert {path.name for path in folder.iterdir()} >= {"intent.json", "sbatch.sh", "id.json", "started"}
    project.call("report", "shades")
    assert project.submissions() == []
    assert max(len(list(folder.path.iterdir())) for folder in project.store.runs()) <= 8
    assert "nothing to submit: 3 finished" in project.sweep()
    here = Shades(tmp_path / "here", shades)
    here.call("local", "shades.yaml", "--no-report", "--set", "job.cpus_per_run=1")
    assert project.table() == here.table()
    project.write(4)
    said = project.sweep(code=0)
    assert "cost: 1 run: about " in said
    assert "measured on 3 runs" in said
    finish(project, slurm, 4)
    assert max(project.attempts()) == 1


@pytest.mark.parametrize(
    ("setting", "words", "allowed"),
    [
        ("partition=nope", "invalid partition specified: nope", "partition main (default)"),
        ("account=nope", "Invalid account or account/partition combination", "account root"),
        ("qos=nope", "Invalid qos specification", "qos normal"),
        ("gpus_per_node=5", "", ""),
        ("mem_gb=900", "Memory specification can not be satisfied", "3.9 GB"),
        ("cpus_per_run=99", "job.cpus_per_run: found 99, more than any node has", "2 cores"),
    ],
)
def test_a_refusal_tells_what_is_allowed_and_leaves_nothing(
    slurm: Cluster, project: Shades, setting: str, words: str, allowed: str
) -> None:
    if setting == "gpus_per_node=5":
        text = (SHADES % 3).replace("gpus_per_run: 0", 'gpus_per_run: 1, extra: {gres: "gpu:5"}')
        project.sweep_file.write_text(text)
        said = project.sweep(code=2)
        assert "Requested node configuration is not available" in said
        assert "2 GPUs" in said
    else:
        said = project.sweep(setting, code=2)
        assert words in said
        assert f"allowed here: {allowed}" in said or allowed in said
    assert "nothing was submitted" in said
    assert not (project.path / "results").exists()
    assert slurm.queue() == {}


@pytest.mark.usefixtures("quick")
def test_a_refusal_leaves_what_was_there(slurm: Cluster, project: Shades) -> None:
    project.sweep()
    finish(project, slurm)
    before = {path: path.read_bytes() for path in project.store.path.rglob("*") if path.is_file()}
    project.write(5)
    assert "allowed here" in project.sweep("partition=nope", code=2)
    # What was over is tidied, and nothing else has changed.
    kept = {path: text for path, text in before.items() if project.store.jobs_folder not in path.parents}
    after = {path: path.read_bytes() for path in project.store.path.rglob("*") if path.is_file()}
    assert {**after, project.store.launcher_file: b""} == {**kept, project.store.launcher_file: b""}


def test_a_time_over_the_limit_and_a_limit_below_the_signal(slurm: Cluster, project: Shades) -> None:
    slurm.client("scontrol", "update", "partitionname=low", "maxtime=1")
    try:
        said = project.sweep("partition=low", "timeout_min=5", code=2)
    finally:
        slurm.client("scontrol", "update", "partitionname=low", "maxtime=infinite")
    assert "job.timeout_min: found 5, over the limit of partition low; nothing was submitted" in said
    assert "allowed here: partition low" in said
    assert "job.signal_lead_s: found 60" in project.sweep("timeout_min=1", "signal_lead_s=60", code=2)
    assert not (project.path / "results").exists()


@pytest.mark.usefixtures("quick")
def test_max_parallel_holds_for_the_whole_sweep(slurm: Cluster, project: Shades, waiting: Callable[[], None]) -> None:
    assert "3 jobs, 2 at a time" in project.sweep("partition=low", "max_parallel=2")
    project.write(5)
    said = project.sweep("partition=low", "max_parallel=2")
    assert "2 new, 3 queued" in said
    first, second = sorted({name.split("_")[0] for name in slurm.queue()}, key=int)
    assert f"it starts when job {first} of this sweep has ended" in said
    assert "Dependency=afterany:" + first in slurm.client("scontrol", "show", "job", second)
    waiting()
    finish(project, slurm, 5)


@pytest.mark.usefixtures("quick")
def test_a_retry_of_the_first_run_takes_along_what_it_held_back(slurm: Cluster, project: Shades) -> None:
    (project.path / "fail").touch()
    project.sweep("canary=true", "mem_gb=0.5")
    wait_until("the first has failed", lambda: project.states() == ["failed", "pending", "pending"])
    wait_until("its job has ended", lambda: list(slurm.queue().values()) == ["PENDING"] * 2)
    first = next(iter(slurm.queue())).split("_")[0]
    assert "nothing to submit: 2 queued, 1 failed" in project.sweep()
    assert len(slurm.queue()) == 2
    (project.path / "fail").unlink()
    said = project.call("retry", "shades.yaml", "--set", "job.mem_gb=1")
    assert "3 jobs" in said
    assert "2 jobs that were held back are submitted again with what they waited for" in said
    assert not any(name.startswith(f"{first}_") for name in slurm.queue())
    assert "--mem=1024M" in (project.submissions()[-1] / "sbatch.sh").read_text()
    slurm.client("scontrol", "release", next(iter(slurm.queue())).split("_")[0])
    finish(project, slurm)
    assert project.attempts() == [2, 1, 1]


@pytest.mark.usefixtures("quick")
def test_runs_are_dealt_by_the_limits_of_the_cluster(
    start_slurm: Callable[[ClusterSettings], Cluster], project: Shades
) -> None:
    slurm = start_slurm(ClusterSettings(nodes=2, max_submit_jobs=3, conf={"MaxArraySize": "4"}))
    project.write(7)
    said = project.sweep("runs_per_job=2", code=2)
    assert (
        "makes 4 jobs, but 3 fit now (MaxSubmitJobs 3 of your account root); write 3 or more, or leave it out" in said
    )
    slurm.client("scontrol", "update", "partitionname=low", "state=down")
    said = project.sweep("partition=low")
    assert "7 runs in 3 jobs, up to 3 in each" in said
    (folder,) = project.submissions()
    assert sorted(len(task) for task in json.loads((folder / "intent.json").read_text())["tasks"]) == [2, 2, 3]
    project.write(8)
    said = project.sweep(code=2)
    assert "no more jobs may be submitted now (MaxSubmitJobs 3 of your account root, 3 of them in use)" in said
    slurm.client("scontrol", "update", "partitionname=low", "state=up")
    finish(project, slurm, 7)
    assert project.attempts() == [1] * 7
