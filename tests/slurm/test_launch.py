"""`cnnjobs sweep` on real daemons: whole commands, a data set that trains in no time, launchers that are killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cluster import Cluster
from cluster_daemons import wait_until
from cluster_settings import ClusterSettings
from PIL import Image

from cnnjobs.report.results import ResultsTable
from cnnjobs.runs import RunStore
from cnnjobs.spec.sweep import read_sweep

pytestmark = pytest.mark.slurm

SWEEP = """\
name: shades
base:
  dataset: shades
  model: {name: cnn, filters: [4], hidden: []}
  lr: 0.01
  batch_size: 8
  epochs: 2
seeds: %d
job: {gpus_per_run: 0}
"""
SBATCH = shutil.which("sbatch")
GO = "go-on"
# Found by PYTHONPATH, as a user's own modules are; it spares every job of a test the loading of torch.
WORKER = '''\
"""Stands in for the worker: its runs are finished at once, or failed while there is a file `fail`."""
import os, sys
if "cnnjobs.training.slurm_worker" in sys.orig_argv:
    from datetime import UTC, datetime
    from pathlib import Path
    from cnnjobs.intents import SubmissionFolder
    from cnnjobs.runs import Attempt, RunRecord, RunState, RunStore
    intent = SubmissionFolder(Path(sys.orig_argv[-1])).read_intent()
    for run_id in intent.tasks[int(os.environ["SLURM_ARRAY_TASK_ID"])]:
        run = RunStore(intent.store).run(run_id)
        before = run.read_record().attempts
        state = RunState.FAILED if Path("fail").exists() else RunState.FINISHED
        attempt = Attempt(number=len(before) + 1, host="n", pid=1, started=datetime.now(UTC).isoformat())
        run.write_record(RunRecord(run_id=run_id, state=state, attempts=(*before, attempt)))
    os._exit(0)
'''


class Project:
    """A folder with a sweep of a few runs, in which commands run as a user runs them."""

    def __init__(self, path: Path, data: Path) -> None:
        self.path = path
        path.mkdir()
        (path / "data").symlink_to(data)
        self.write(3)
        self.store = RunStore(path / "results" / "shades")

    def write(self, seeds: int) -> None:
        (self.path / "shades.yaml").write_text(SWEEP % seeds)

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", "from cnnjobs.cli.main import run; run()", *words],
            cwd=self.path, env={**os.environ, **environment}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def call(self, *words: str, code: int = 0, **environment: str) -> str:
        """What a command says on both streams."""
        process = self.start(*words, **environment)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, out + err
        assert "Traceback" not in err
        return out + err

    def sweep(self, *settings: str, code: int = 0, **environment: str) -> str:
        words = [word for setting in settings for word in ("--set", f"job.{setting}")]
        return self.call("sweep", "shades.yaml", *words, code=code, **environment)

    def table(self) -> bytes:
        target = self.path / "results.csv"
        ResultsTable.load(read_sweep(self.path / "shades.yaml"), self.store).write_csv(target)
        return target.read_bytes()

    def states(self) -> list[str]:
        return [folder.read_record().state.value for folder in self.store.runs()]

    def attempts(self) -> list[int]:
        return [len(folder.read_record().attempts) for folder in self.store.runs()]

    def submissions(self) -> list[Path]:
        return sorted(self.store.jobs_folder.iterdir()) if self.store.jobs_folder.exists() else []

    def replace_sbatch(self, body: str) -> str:
        """A PATH with an sbatch that does this; $LAUNCHER is who called it."""
        folder = self.path / "programs"
        folder.mkdir(exist_ok=True)
        (folder / "sbatch").write_text(f"#!/bin/bash\nLAUNCHER=$PPID\n{body}\n")
        (folder / "sbatch").chmod(0o755)
        return f"{folder}:{os.environ['PATH']}"


@pytest.fixture(scope="session")
def shades(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shades")
    noise = random.Random(0)
    for split, number in (("train", 40), ("test", 8)):
        for name, level in (("dark", 90), ("light", 160)):
            place = folder / "shades" / split / name
            place.mkdir(parents=True)
            for index in range(number):
                pixels = bytes(min(255, max(0, int(noise.gauss(level, 60)))) for _ in range(3 * 16 * 16))
                Image.frombytes("RGB", (16, 16), pixels).save(place / f"{index}.png")
    return folder


@pytest.fixture
def project(tmp_path: Path, shades: Path) -> Project:
    return Project(tmp_path / "it's 5% of a project", shades)


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs finish their runs without training them."""
    folder = tmp_path / "own modules"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.fixture
def waiting(slurm: Cluster) -> Iterator[Callable[[], None]]:
    """Partition low takes jobs and starts none, until this is called."""

    def go() -> None:
        slurm.client("scontrol", "update", "partitionname=low", "state=up")

    slurm.client("scontrol", "update", "partitionname=low", "state=down")
    yield go
    go()


def finished(project: Project, slurm: Cluster, runs: int = 3) -> None:
    wait_until("every job has ended", lambda: not slurm.queue(), timeout_s=60)
    assert project.states() == ["finished"] * runs


def test_a_sweep_gives_the_table_of_this_machine(
    slurm: Cluster, project: Project, tmp_path: Path, shades: Path
) -> None:
    said = project.sweep("canary=true", "max_parallel=2", SLURM_JOB_ID="7", SBATCH_PARTITION="nowhere")
    assert "on Slurm (Slurmctld(primary)" in said
    assert "the first run goes ahead" in said
    assert "cost: 3 runs: not known: no such run was measured yet" in said
    assert "submitted: job " in said
    again = project.sweep()
    assert "3 queued" in again or "running" in again
    finished(project, slurm)
    (folder,) = project.submissions()
    assert {path.name for path in folder.iterdir()} >= {"intent.json", "sbatch.sh", "id.json", "started"}
    project.call("report", "shades")
    assert project.submissions() == []
    assert max(len(list(folder.path.iterdir())) for folder in project.store.runs()) <= 8
    assert "nothing to submit: 3 finished" in project.sweep()
    here = Project(tmp_path / "here", shades)
    here.call("local", "shades.yaml", "--no-report", "--set", "job.cpus_per_run=1")
    assert project.table() == here.table()
    project.write(4)
    said = project.sweep(code=0)
    assert "cost: 1 run: about " in said
    assert "measured on 3 runs" in said
    finished(project, slurm, 4)
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
    slurm: Cluster, project: Project, setting: str, words: str, allowed: str
) -> None:
    if setting == "gpus_per_node=5":
        text = (SWEEP % 3).replace("gpus_per_run: 0", 'gpus_per_run: 1, extra: {gres: "gpu:5"}')
        (project.path / "shades.yaml").write_text(text)
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
def test_a_refusal_leaves_what_was_there(slurm: Cluster, project: Project) -> None:
    project.sweep()
    finished(project, slurm)
    before = {path: path.read_bytes() for path in project.store.path.rglob("*") if path.is_file()}
    project.write(5)
    assert "allowed here" in project.sweep("partition=nope", code=2)
    # What was over is tidied, and nothing else has changed.
    kept = {path: text for path, text in before.items() if project.store.jobs_folder not in path.parents}
    after = {path: path.read_bytes() for path in project.store.path.rglob("*") if path.is_file()}
    assert {**after, project.store.launcher_file: b""} == {**kept, project.store.launcher_file: b""}


def test_a_time_over_the_limit_and_a_limit_below_the_signal(slurm: Cluster, project: Project) -> None:
    slurm.client("scontrol", "update", "partitionname=low", "maxtime=1")
    try:
        said = project.sweep("partition=low", "timeout_min=5", code=2)
    finally:
        slurm.client("scontrol", "update", "partitionname=low", "maxtime=infinite")
    assert "job.timeout_min: found 5, over the limit of partition low; nothing was submitted" in said
    assert "allowed here: partition low" in said
    assert "job.signal_lead_s: found 60" in project.sweep("timeout_min=1", "signal_lead_s=60", code=2)
    assert not (project.path / "results").exists()


def test_a_controller_that_is_down(slurm: Cluster, project: Project) -> None:
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
def test_killed_between_intent_and_sbatch(slurm: Cluster, project: Project) -> None:
    project.sweep(code=-9, PATH=project.replace_sbatch("kill -9 $LAUNCHER"))
    assert slurm.queue() == {}
    assert len(project.submissions()) == 1
    said = project.sweep()
    assert "ended before it reached Slurm: its runs are submitted now" in said
    assert len(project.submissions()) == 1
    finished(project, slurm)
    assert project.attempts() == [1, 1, 1]


@pytest.mark.usefixtures("quick")
def test_killed_between_sbatch_and_its_number(slurm: Cluster, project: Project) -> None:
    project.sweep(code=-9, PATH=project.replace_sbatch(f'{SBATCH} "$@"; kill -9 $LAUNCHER'))
    assert len(slurm.queue()) == 3
    assert not list(project.store.jobs_folder.glob("*/id.json"))
    said = project.sweep()
    assert "found again as job " in said
    assert "was not let go: done now" in said
    assert "nothing to submit: 3 queued" in said
    finished(project, slurm)
    assert project.attempts() == [1, 1, 1]


@pytest.mark.usefixtures("quick")
def test_killed_while_sbatch_is_at_work(slurm: Cluster, project: Project) -> None:
    later = f'kill -9 $LAUNCHER; until [ -e {GO} ]; do sleep 0.05; done; exec {SBATCH} "$@"'
    with project.start("sweep", "shades.yaml", PATH=project.replace_sbatch(later)) as killed:
        assert killed.wait(timeout=60) == -9
    assert "an sbatch of an earlier start is still at work" in project.sweep(code=2)
    (project.path / GO).touch()
    wait_until("sbatch has done its work", lambda: len(slurm.queue()) == 3)
    wait_until("it is found", lambda: "found again as job " in project.sweep())
    finished(project, slurm)
    assert project.attempts() == [1, 1, 1]


@pytest.mark.usefixtures("quick")
def test_two_launchers_at_the_same_moment(slurm: Cluster, project: Project, waiting: Callable[[], None]) -> None:
    both = [project.start("sweep", "shades.yaml", "--set", "job.partition=low") for _ in range(2)]
    said = ["".join(process.communicate(timeout=60)) for process in both]
    codes = [process.returncode for process in both]
    assert sorted(codes) in ([0, 2], [0, 0]), said
    other = said[codes.index(2)] if 2 in codes else "\n".join(said)
    assert "is being run already, by process" in other or "nothing to submit: 3 queued" in other
    assert len(slurm.queue()) == 3
    waiting()
    finished(project, slurm)
    assert project.attempts() == [1, 1, 1]


@pytest.mark.usefixtures("quick")
def test_max_parallel_holds_for_the_whole_sweep(slurm: Cluster, project: Project, waiting: Callable[[], None]) -> None:
    assert "3 jobs, 2 at a time" in project.sweep("partition=low", "max_parallel=2")
    project.write(5)
    said = project.sweep("partition=low", "max_parallel=2")
    assert "2 new, 3 queued" in said
    first, second = sorted({name.split("_")[0] for name in slurm.queue()}, key=int)
    assert f"it starts when job {first} of this sweep has ended" in said
    assert "Dependency=afterany:" + first in slurm.client("scontrol", "show", "job", second)
    waiting()
    finished(project, slurm, 5)


@pytest.mark.usefixtures("quick")
def test_a_retry_of_the_first_run_takes_along_what_it_held_back(slurm: Cluster, project: Project) -> None:
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
    finished(project, slurm)
    assert project.attempts() == [2, 1, 1]


@pytest.mark.usefixtures("quick")
def test_runs_are_dealt_by_the_limits_of_the_cluster(
    start_slurm: Callable[[ClusterSettings], Cluster], project: Project
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
    finished(project, slurm, 7)
    assert project.attempts() == [1] * 7


def test_a_folder_or_python_that_the_node_does_not_have(
    slurm: Cluster, project: Project, waiting: Callable[[], None], tmp_path: Path
) -> None:
    results = tmp_path / "elsewhere"
    project.call("sweep", "shades.yaml", "--set", "job.partition=low", "--results", str(results))
    project.path.rename(tmp_path / "moved")
    waiting()
    wait_until("every job has ended", lambda: not slurm.queue())
    (log,) = results.glob("shades/jobs/*/task-1.log")
    assert f"cnnjobs: the working directory {project.path} is missing on node n" in log.read_text()
