from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.config.program import ProgramConfig
from cnnjobs.config.run import RunConfig
from cnnjobs.disk.outage import Storage
from cnnjobs.disk.run_folder import RunFolder, RunRecord, RunState
from cnnjobs.disk.start import Start
from cnnjobs.programs.workload import ProgramWorkload
from cnnjobs.worker.attempt import RunAttempt
from cnnjobs.worker.claim.claimed_run import ClaimedRun
from cnnjobs.worker.environment import JobEnvironment


class Program(ProgramWorkload):
    """A workload of a program that is given as text, with the keys of its sweep file."""

    def __init__(self, config: dict[str, Any], **given: Any) -> None:
        grace_s = given.pop("grace_s", 5.0)
        super().__init__(**{"threads": 1, "gpu": None, **given}, grace_s=lambda: grace_s)
        self._given = ProgramConfig.model_validate(config)

    def open(self, start: Start) -> None:
        super().open(replace(start, config=self._given))


class Runs:
    """Attempts at one run of a program."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder, self.said = folder, list[str]()

    def attempt(
        self, stopped: Callable[[], bool] = lambda: False, environment: JobEnvironment | None = None, **config: Any
    ) -> RunState:
        given = {name: config.pop(name) for name in ("threads", "gpu", "processes", "grace_s") if name in config}
        with ExitStack() as held:
            log = held.enter_context(self.folder.claim())
            assert log is not None
            run = ClaimedRun(Storage(self.folder, stopped, self.said.append), log, held)
            return RunAttempt(run, Program(config, **given), threads=1, environment=environment).execute()

    def python(self, text: str, **config: Any) -> RunState:
        Path("train.py").write_text(text)
        command = [sys.executable, "-S", "${program}", "${args}"]
        return self.attempt(**{"program": "train.py", "command": command, **config})

    @property
    def record(self) -> RunRecord:
        return self.folder.read_record()

    def values(self, name: str) -> list[tuple[float, Any]]:
        return [(line["step"], line[name]) for line in self.folder.read_metrics() if name in line]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.setattr("cnnjobs.programs.process._LINGER_S", 0.1)
    monkeypatch.setattr("cnnjobs.programs.workload._HEARS_S", 0.1)
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    config = RunConfig.model_validate({"dataset": "mnist", "model": "lenet5", "epochs": 1})
    folder = RunFolder(tmp_path / "results" / "sweep" / config.run_id)
    folder.create(config)
    return Runs(folder)
