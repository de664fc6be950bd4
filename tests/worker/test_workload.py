"""A workload in one file, with no change elsewhere: a program that prints a number, which becomes the run's metric."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.config.run import RunConfig
from cnnjobs.disk.outage import Storage
from cnnjobs.disk.run_folder import RunFolder, RunState
from cnnjobs.disk.start import Result, Standing, Start
from cnnjobs.system.stop_request import Stopped
from cnnjobs.worker.attempt import RunAttempt
from cnnjobs.worker.claim.claimed_run import ClaimedRun
from cnnjobs.worker.workload import Workload

EPOCHS = 3


class PrintedNumber:
    """Epoch n calls the program with n; its checkpoint is what was printed so far."""

    device = "a program"
    notes = ("a note of the program",)

    def __init__(self, program: str, killed_in: int = 0) -> None:
        self._program, self._killed_in = program, killed_in
        self._printed: list[float] = []
        self.closed = False

    @property
    def epoch(self) -> int:
        return len(self._printed)

    @property
    def epochs_done(self) -> float:
        return float(len(self._printed))

    def versions(self) -> dict[str, str]:
        return {"program": "1"}

    def load(self, folder: RunFolder) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
        if not folder.checkpoint_file.exists():
            return None, ()
        return json.loads(folder.checkpoint_file.read_bytes()), ()

    def open(self, start: Start) -> None:
        self._start = start
        self._printed = start.state["printed"] if start.state else []
        start.learn(choices={"program": "as it was given"})

    def train(self, on_metrics: Callable[[dict[str, Any]], None], on_checkpoint: Callable[[], None]) -> None:
        for epoch in range(len(self._printed) + 1, EPOCHS + 1):
            if self._start.stopped():
                raise Stopped
            command = [sys.executable, "-S", "-c", self._program, str(epoch)]
            printed = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            on_metrics({"step": epoch, "epoch": epoch, "printed": printed})
            if epoch == self._killed_in:
                os.kill(os.getpid(), signal.SIGKILL)
            self._printed.append(printed)
            on_checkpoint()

    def standing(self, epoch: int) -> Standing:
        return Standing.of_epochs(epoch)

    def measured(self, line: Mapping[str, Any]) -> None:
        pass

    def progress(self, line: Mapping[str, Any]) -> str:
        return f"printed {line['printed']}"

    def save(self, folder: RunFolder, extra: Mapping[str, Any], *, check: bool, guard: Callable[[], None]) -> None:
        del check
        done = len(self._printed)
        state = {**extra, "epoch": done, "step": done, "validations": done, "printed": self._printed}
        folder.write_checkpoint(json.dumps(state).encode(), guard)

    def finish(self) -> Result:
        kept = {self._start.folder.path / "printed.txt": str(self._printed).encode()}
        return Result({"printed": self._printed[-1]}, float(len(self._printed)), kept, ("a note of the end",))

    def close(self, result: Result) -> None:
        self.closed = result.metrics == {"printed": self._printed[-1]}


DOUBLE = "import sys; print(2 * int(sys.argv[1]))"


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    config = RunConfig.model_validate({"dataset": "mnist", "model": "lenet5", "epochs": EPOCHS})
    folder = RunFolder(tmp_path / config.run_id)
    folder.create(config)
    return folder


def attempt(
    folder: RunFolder, workload: Workload, stopped: Callable[[], bool] = lambda: False, say: Any = lambda _: None
) -> RunState | None:
    """The end of an attempt; None when another process has the run."""
    run = ClaimedRun.take(Storage(folder, stopped, say))
    if run is None:
        return None
    with run:
        return RunAttempt(run, workload, threads=1).execute()


def test_its_number_is_the_metric_of_the_run(folder: RunFolder) -> None:
    workload, said = PrintedNumber(DOUBLE), list[str]()
    assert attempt(folder, workload, say=said.append) is RunState.FINISHED
    record = folder.read_record()
    assert (record.metrics, record.best_epoch, record.epochs_done) == ({"printed": 6.0}, 3.0, 3.0)
    assert (record.versions, record.choices) == ({"program": "1"}, {"program": "as it was given"})
    assert record.notes == ("a note of the program", "a note of the end")
    assert record.attempts[0].device == "a program"
    assert (folder.path / "printed.txt").read_text() == "[2.0, 4.0, 6.0]"
    assert workload.closed
    assert "printed 4.0" in said


def test_a_killed_one_goes_on_and_loads_no_torch(folder: RunFolder) -> None:
    killed = subprocess.run([sys.executable, __file__, str(folder.path), "2"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(folder.read_metrics()) == 2
    done = subprocess.run([sys.executable, __file__, str(folder.path), "0"], check=False)
    assert done.returncode == 0
    record = folder.read_record()
    assert (record.state, record.metrics) == (RunState.FINISHED, {"printed": 6.0})
    assert [each.from_epoch for each in record.attempts] == [0, 1]
    assert [(line["attempt"], line["printed"]) for line in folder.read_metrics()] == [(1, 2.0), (2, 4.0), (2, 6.0)]


def test_one_that_another_process_holds_is_left_alone(folder: RunFolder) -> None:
    with folder.claim():
        assert attempt(folder, PrintedNumber(DOUBLE)) is None
    assert folder.read_record().state is RunState.PENDING


def test_a_stopped_one_keeps_its_epochs_and_a_cancelled_one_ends(folder: RunFolder) -> None:
    answers = iter((False, True))
    assert attempt(folder, PrintedNumber(DOUBLE), partial(next, answers, True)) is RunState.INTERRUPTED
    assert folder.read_record().epochs_done == 1.0
    with ClaimedRun.take(Storage(folder, lambda: False, lambda _: None)) as run:
        again = RunAttempt(run, PrintedNumber(DOUBLE), threads=1)
        folder.cancel("cancelled by me")
        assert again.execute() is RunState.CANCELLED
    assert folder.read_record().cause == "cancelled by me"


def test_a_program_that_fails_is_the_cause(folder: RunFolder) -> None:
    assert attempt(folder, PrintedNumber("raise SystemExit(3)")) is RunState.FAILED
    record = folder.read_record()
    assert record.cause is not None
    assert "returned non-zero exit status 3" in record.cause
    assert record.traceback


def main(path: str, killed_in: str) -> None:
    state = attempt(RunFolder(Path(path)), PrintedNumber(DOUBLE, int(killed_in)))
    assert state is RunState.FINISHED, state
    assert "torch" not in sys.modules


if __name__ == "__main__":
    main(*sys.argv[1:])
