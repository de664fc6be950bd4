"""An element of a job array that evaluates runs: what it exits with, and what Slurm is told."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.disk.run_folder import RunFolder, RunStore
from cnnjobs.disk.submission_folder import EvaluationRequest, JobArray, SubmissionFolder
from cnnjobs.system.stop_request import StopRequest
from cnnjobs.worker import slurm_environment as array_task
from cnnjobs.worker.array_element import train_array_task


class Element:
    """Element 0 of job 12, which evaluates two finished runs."""

    def __init__(self, path: Path, toy: Any) -> None:
        self.store = RunStore(path / "results")
        self.runs = [toy.finished(self.store.path, toy.config(epochs=1, seed=seed)) for seed in range(2)]
        self.folder = SubmissionFolder(self.store.jobs_folder / "one")
        self.calls: list[tuple[str, ...]] = []
        self.stop = StopRequest()
        intent = JobArray(
            job_name="n", tasks=(tuple(run.run_id for run in self.runs),), store=self.store.path,
            evaluation=EvaluationRequest(split="test"), profile={"timeout_min": 1}, created="2026", host="h", user="u",
        )  # fmt: skip
        self.folder.write_intent(intent)

    def start(self) -> int:
        return train_array_task(self.folder.path, self.stop)

    def ends(self) -> list[Any]:
        """The outcome of each run."""
        outcomes = self.folder.read_outcomes()
        return [outcomes.get(run.run_id) for run in self.runs]


def names(run: RunFolder) -> list[str]:
    return [*run.read_record().evaluations]


@pytest.fixture
def element(tmp_path: Path, toy: Any, monkeypatch: pytest.MonkeyPatch) -> Element:
    made = Element(tmp_path, toy)
    own = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "0", "SLURM_RESTART_COUNT": "0"}
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES"):
        own[name] = os.environ.get(name, "1")
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(array_task, "scontrol", lambda *words: not made.calls.append(words))
    return made


def test_it_evaluates_its_runs_and_trains_none(element: Element) -> None:
    before = [run.read_record() for run in element.runs]
    assert element.start() == 0
    assert element.ends() == [("finished", None)] * 2
    for run, record in zip(element.runs, before, strict=True):
        after = run.read_record()
        assert after.evaluations["toys:stripes/test"].metrics["loss"] == record.metrics["test.loss"]
        assert after.evaluations["toys:stripes/test"].job_id == "12_0"
        assert after.model_copy(update={"evaluations": {}}) == record
    assert element.calls == []


def test_one_that_fails_is_told_by_the_exit_code(element: Element) -> None:
    element.runs[0].model_file.unlink()
    assert element.start() == 1
    refused, finished = element.ends()
    assert refused[0] == "refused"
    assert finished == ("finished", None)


def test_the_time_limit_requeues_it_as_long_as_it_gets_further(
    element: Element, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = SubmissionFolder.add_outcome

    def kept_then_limited(*given: Any) -> None:
        keep(*given)
        element.stop.received.append(signal.SIGUSR2)

    monkeypatch.setattr(SubmissionFolder, "add_outcome", kept_then_limited)
    assert element.start() == 0
    assert element.ends() == [("finished", None), None]
    assert element.calls == [("requeue", "12_0")]
    assert element.start() == 1
    cause = "the time limit (timeout_min 1) came first; evaluate it with a higher timeout_min"
    assert element.ends() == [("finished", None), ("failed", cause)]
    assert element.calls == [("requeue", "12_0")]


def test_preemption_leaves_it_to_slurm(element: Element) -> None:
    element.stop.received.append(signal.SIGTERM)
    assert element.start() == 1
    assert element.ends() == [None, None]
    assert element.calls == []
    element.stop.received.clear()
    assert element.start() == 0
    assert [names(run) for run in element.runs] == [["toys:stripes/test"]] * 2
