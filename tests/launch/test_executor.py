from __future__ import annotations

import os
from pathlib import Path

import pytest
from submitit import SlurmExecutor

from cnnjobs.config.profile import JobProfile
from cnnjobs.disk.submission_folder import JobArray, SubmissionFolder
from cnnjobs.launch.array.executor import ArrayExecutor, UnsureError
from cnnjobs.launch.array.script import executor_for
from cnnjobs.slurm.commands import SlurmError


@pytest.fixture
def executor(tmp_path: Path) -> ArrayExecutor:
    folder = SubmissionFolder(tmp_path / "results" / "jobs" / "1")
    array = JobArray(job_name="x", tasks=[["a"], ["b"]], store=tmp_path / "results", created="now", host="h", user="u")
    folder.write_array(array)
    return executor_for(folder, array, JobProfile(name="x"), max_parallel=None, environment={})


def answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    (tmp_path / "sbatch").write_text("\n".join(("#!/bin/sh", f'echo "$@" >>{tmp_path}/calls', *lines)) + "\n")
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)


def test_it_is_submitits_and_refuses_what_submitit_does_not_know(executor: ArrayExecutor) -> None:
    assert isinstance(executor, SlurmExecutor)
    with pytest.raises(ValueError, match=r"Unavailable parameter\(s\): \['gpu_model'\]"):
        executor.update_parameters(gpu_model="a100")
    executor.update_parameters(comment="mine")
    assert "#SBATCH --comment=mine\n" in executor.text


def test_one_sbatch_and_no_pickle(executor: ArrayExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(tmp_path, monkeypatch, "echo 12")
    assert executor.submit_array_of_workers() == 12
    script = executor.submission.script_file
    assert (tmp_path / "calls").read_text() == f"--parsable {script}\n"
    assert script.read_text() == executor.text
    assert {file.name for file in executor.submission.path.iterdir()} == {"intent.json", script.name}


@pytest.mark.parametrize(("words", "kind"), [("Socket timed out", UnsureError), ("invalid partition", SlurmError)])
def test_a_refusal_is_told_from_an_unsure_answer(
    executor: ArrayExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, kind: type[Exception]
) -> None:
    answer(tmp_path, monkeypatch, f"echo 'sbatch: error: {words}' >&2; exit 1")
    monkeypatch.setattr("cnnjobs.launch.array.executor.with_offers", SlurmError)
    with pytest.raises(kind, match=words):
        executor.submit_array_of_workers()
