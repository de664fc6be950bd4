from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch
from waiting import until

from cnnjobs.config.run import RunConfig, read_config
from cnnjobs.system import origin
from cnnjobs.training.loop import provenance


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@b.c")
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_commit_and_whether_something_changed(tmp_path: Path) -> None:
    clean, dirty = tmp_path / "clean", tmp_path / "dirty"
    for folder in (clean, dirty):
        folder.mkdir()
        git(folder, "init", "-q")
        (folder / "file").write_text("one")
        git(folder, "add", "file")
        git(folder, "commit", "-qm", "one")
    (clean / "untracked").write_text("results do not count")
    (dirty / "file").write_text("two")
    assert origin.git_state(clean) == (git(clean, "rev-parse", "HEAD"), False)
    assert origin.git_state(dirty) == (git(dirty, "rev-parse", "HEAD"), True)


def test_no_repository_no_git_and_a_git_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert origin.git_state(tmp_path) == (None, None)
    for number, error in enumerate((FileNotFoundError(), subprocess.TimeoutExpired("git", 5))):

        def fail(*given: object, error: Exception = error, **settings: object) -> None:
            raise error

        monkeypatch.setattr(subprocess, "run", fail)
        assert origin.git_state(tmp_path / str(number)) == (None, None)


def test_the_job_is_named_by_its_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_ID", "SUBMITIT_EXECUTOR"):
        monkeypatch.delenv(name, raising=False)
    assert origin.job_id() is None
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    assert origin.job_id() == "12"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "10")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert origin.job_id() == "10_3"
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "local")
    monkeypatch.setenv("SUBMITIT_LOCAL_JOB_ID", "77")
    assert origin.job_id() == "77"


def test_versions_and_device_are_named() -> None:
    versions = provenance.versions()
    assert versions["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert "(" in versions["processor"]
    assert provenance.device_name(torch.device("cpu")) == "cpu"


def test_the_age_of_this_process() -> None:
    before = origin.process_age()
    if before is not None:
        until(lambda: (origin.process_age() or 0) > before + 0.04)
        assert 0 < before < 24 * 3600


def test_choices_are_told_with_their_reasons() -> None:
    config = read_config({"dataset": "cifar10", "model": "lenet5", "precision": "bfloat16", "optimizer": "rmsprop"})
    assert isinstance(config, RunConfig)
    found = provenance.choices(config, "bfloat16", torch.device("cpu"))
    assert found.keys() == {"memory_format", "precision", "compile", "threads", "denormals"}
    assert found["precision"].startswith("bfloat16: as the run sets it; ")
    default = config.model_copy(
        update={"precision": "float32", "optimizer": config.optimizer.model_copy(update={"name": "sgd"})}
    )
    on_gpu = provenance.choices(default, "float32", torch.device("cuda"))
    assert on_gpu.keys() == {"memory_format", "precision", "compile", "optimizer", "cudnn"}
    assert on_gpu["precision"].startswith("float32: the default; ")
