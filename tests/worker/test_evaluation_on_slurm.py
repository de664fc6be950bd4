"""An array task that evaluates runs: what it exits with, and what Slurm is told."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.disk.run_folder import RunFolder, RunStore
from cnnjobs.disk.submission_folder import EvaluationRequest, JobArray, SubmissionFolder
from cnnjobs.system.stop_request import StopRequest
from cnnjobs.worker import slurm_environment
from cnnjobs.worker.array_task import train_array_task


class Element:
    """Element 0 of job 12, which evaluates two finished runs."""

    def __init__(self, path: Path, toy: Any) -> None:
        self.store = RunStore(path / "results")
        self.runs = [toy.finished(self.store.path, toy.config(epochs=1, seed=seed)) for seed in range(2)]
        self.folder = SubmissionFolder(self.store.jobs_folder / "one")
        self.calls: list[tuple[str, ...]] = []
        self.stop = StopRequest()
        array = JobArray(
            job_name="n", tasks=(tuple(run.run_id for run in self.runs),), store=self.store.path,
            evaluation=EvaluationRequest(split="test"), profile={"timeout_min": 1}, created="2026", host="h", user="u",
        )  # fmt: skip
        self.folder.write_array(array)

    def start(self) -> int:
        return train_array_task(self.folder.path, self.stop)

    def ends(self) -> list[Any]:
        """The outcome of each run."""
        outcomes = self.folder.read_outcomes()
        return [outcomes.get(run.run_id) for run in self.runs]


def names(run: RunFolder) -> list[str]:
    return [*run.read_record().evaluations]


@pytest.fixture
def array_task(tmp_path: Path, toy: Any, monkeypatch: pytest.MonkeyPatch) -> Element:
    made = Element(tmp_path, toy)
    own = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "0", "SLURM_RESTART_COUNT": "0"}
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES"):
        own[name] = os.environ.get(name, "1")
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(slurm_environment, "scontrol", lambda *words: not made.calls.append(words))
    return made


def test_it_evaluates_its_runs_and_trains_none(array_task: Element) -> None:
    before = [run.read_record() for run in array_task.runs]
    assert array_task.start() == 0
    assert array_task.ends() == [("finished", None)] * 2
    for run, record in zip(array_task.runs, before, strict=True):
        after = run.read_record()
        assert after.evaluations["toys:stripes/test"].metrics["loss"] == record.metrics["test.loss"]
        assert after.evaluations["toys:stripes/test"].job_id == "12_0"
        assert after.model_copy(update={"evaluations": {}}) == record
    assert array_task.calls == []


def test_one_that_fails_is_told_by_the_exit_code(array_task: Element) -> None:
    array_task.runs[0].model_file.unlink()
    assert array_task.start() == 1
    refused, finished = array_task.ends()
    assert refused[0] == "refused"
    assert finished == ("finished", None)


def test_the_time_limit_requeues_it_as_long_as_it_gets_further(
    array_task: Element, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = SubmissionFolder.add_outcome

    def kept_then_limited(*given: Any) -> None:
        keep(*given)
        array_task.stop.received.append(signal.SIGUSR2)

    monkeypatch.setattr(SubmissionFolder, "add_outcome", kept_then_limited)
    assert array_task.start() == 0
    assert array_task.ends() == [("finished", None), None]
    assert array_task.calls == [("requeue", "12_0")]
    assert array_task.start() == 1
    cause = "the time limit (timeout_min 1) came first; evaluate it with a higher timeout_min"
    assert array_task.ends() == [("finished", None), ("failed", cause)]
    assert array_task.calls == [("requeue", "12_0")]


def test_preemption_leaves_it_to_slurm(array_task: Element) -> None:
    array_task.stop.received.append(signal.SIGTERM)
    assert array_task.start() == 1
    assert array_task.ends() == [None, None]
    assert array_task.calls == []
    array_task.stop.received.clear()
    assert array_task.start() == 0
    assert [names(run) for run in array_task.runs] == [["toys:stripes/test"]] * 2
