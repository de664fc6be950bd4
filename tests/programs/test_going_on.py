"""Attempts of a program one after the other: what each reports never mixes with what a broken one did."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from cnnjobs.disk.run_folder import RunFolder, RunState
from cnnjobs.system.processes import is_dead
from cnnjobs.worker.environment import JobEnvironment
from cnnjobs.worker.slurm_environment import SlurmEnvironment
from tests.programs.conftest import Runs
from tests.programs.test_workload import REPORT

# It ends itself after `LIFE` epochs; LIFE counts from the start of each attempt.
EPOCHS = (
    REPORT
    + """
import pathlib
folder = pathlib.Path(os.environ.get("OWN_FOLDER") or os.environ["CNNJOBS_CHECKPOINT_DIR"])
last = folder / "last"
first = int(last.read_text()) + 1 if SAVES and last.exists() else 0
attempt = int(os.environ["CNNJOBS_ATTEMPT"])
print("resume", os.environ.get("CNNJOBS_RESUME"), sys.argv[1:])
for epoch in range(first, 6):
    if epoch - first == LIFE and attempt < 2: sys.exit(CODE)
    report(**LINE(epoch))
    if SAVES and epoch % 2 == 0:
        (folder / "new").write_text(str(epoch))
        (folder / "new").rename(last)
"""
)

STEPPED = "lambda e: dict(step=10 * e, loss=e + attempt / 10)"
EPOCHED = "lambda e: dict(epoch=e, loss=e + attempt / 10)"
BARE = "lambda e: dict(loss=e + attempt / 10)"


def program(line: str, *, saves: bool, life: int = 4, code: int = 75) -> str:
    return f"SAVES, LIFE, CODE = {saves}, {life}, {code}\nLINE = {line}\n{EPOCHS}"


def losses(runs: Runs) -> list[tuple[float, float]]:
    return runs.values("loss")


@pytest.mark.parametrize("line", [STEPPED, EPOCHED, BARE])
def test_one_that_starts_from_nothing_replaces_everything(runs: Runs, line: str) -> None:
    text = program(line, saves=False, code=1)
    assert runs.python(text) is RunState.FAILED
    assert len(losses(runs)) == 4
    assert runs.python(program(line, saves=False, life=99)) is RunState.FINISHED
    scale = 10 if line == STEPPED else 1
    assert losses(runs) == [(scale * epoch, epoch + 0.1) for epoch in range(6)]
    # What the broken one has reported stays in the file.
    assert runs.folder.metrics_file.read_text().count('"attempt": 1') == 4


@pytest.mark.parametrize("line", [STEPPED, EPOCHED])
@pytest.mark.parametrize("own_folder", [False, True])
def test_one_that_saves_goes_on_where_it_was(
    runs: Runs, line: str, own_folder: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if own_folder:
        monkeypatch.setenv("OWN_FOLDER", str(tmp_path))
    text = program(line, saves=True, code=1)
    assert runs.python(text) is RunState.FAILED
    assert runs.python(text) is RunState.FINISHED
    scale = 10 if line == STEPPED else 1
    assert (
        any(each.startswith("attempt 2, from its checkpoint folder (last of ") for each in runs.said) is not own_folder
    )
    # The checkpoint of epoch 2 is the last; epoch 3 is trained again.
    assert losses(runs) == [(scale * epoch, epoch + (0.1 if epoch > 2 else 0.0)) for epoch in range(6)]
    assert [each.from_epoch for each in runs.record.attempts] == [0, 4]
    assert ("resume 1 []" in runs.said) is not own_folder


def test_without_step_and_epoch_lines_follow_and_that_is_told(runs: Runs) -> None:
    text = program(BARE, saves=True)
    assert runs.python(text) is RunState.INTERRUPTED
    assert runs.python(text) is RunState.FINISHED
    assert [step for step, _ in losses(runs)] == [*range(7)]
    assert any("reported neither step nor epoch" in note for note in runs.record.notes)


def test_resume_arguments_from_the_second_attempt_on(runs: Runs) -> None:
    resume = ["--resume", "${checkpoint_dir}/last"]
    text = program(STEPPED, saves=True, life=1)
    for _ in range(2):
        runs.python(text, resume=resume)
    checkpoint = runs.folder.checkpoints_folder.resolve() / "last"
    told = [each for each in runs.said if each.startswith("resume")]
    assert told == ["resume None []", f"resume 1 ['--resume', '{checkpoint}']"]


def test_an_attempt_that_reports_nothing_leaves_no_metrics_of_the_broken_one(runs: Runs) -> None:
    assert runs.python(REPORT + "report(loss=1); sys.exit(1)") is RunState.FAILED
    assert runs.python("") is RunState.FINISHED
    assert runs.record.metrics == {}
    assert losses(runs) == []


def test_a_line_that_an_attempt_says_once_more_cuts_its_own_metric_alone(runs: Runs) -> None:
    text = program(STEPPED, saves=True, code=1).replace("for epoch", "report(step=0, size=7 + attempt)\nfor epoch")
    assert runs.python(text) is RunState.FAILED
    assert runs.python(text) is RunState.FINISHED
    assert [step for step, _ in losses(runs)] == [0, 10, 20, 30, 40, 50]
    assert runs.values("size") == [(0, 8)]


def test_what_a_killed_worker_has_not_taken_over_is_there_afterwards(runs: Runs) -> None:
    assert runs.python(program(STEPPED, saves=True)) is RunState.INTERRUPTED
    first = runs.folder.program_folder / "attempt-1.jsonl"
    # As if the worker had been killed with lines that it had not seen.
    lines = runs.folder.metrics_file.read_text().splitlines(keepends=True)
    runs.folder.metrics_file.write_text("".join(lines[:1]))
    assert first.read_text().count("\n") == 4
    assert runs.python(program(STEPPED, saves=True, life=0, code=1)) is RunState.FAILED
    assert losses(runs) == [(10 * epoch, float(epoch)) for epoch in range(4)]


def test_one_that_asks_to_be_started_again_goes_on_as_long_as_it_gets_further(runs: Runs) -> None:
    text = program(STEPPED, saves=True, life=1).replace("attempt < 2", "attempt < 9")
    for _ in range(2):
        assert runs.python(text) is RunState.INTERRUPTED
        checkpoint = "goes on from its checkpoint folder (last of "
        assert (runs.record.cause or "").startswith(f"asked to be started again (exit code 75): {checkpoint}")
        # The next checkpoint is one of another moment.
        os.utime(runs.folder.checkpoints_folder / "last", (0, len(runs.record.attempts)))
    stuck = program(STEPPED, saves=False, life=0).replace("attempt < 2", "attempt < 9")
    assert runs.python(stuck) is RunState.INTERRUPTED
    assert runs.python(stuck) is RunState.FAILED
    assert (runs.record.cause or "").endswith("and has done so twice before the next checkpoint")


def test_what_a_time_limit_says_is_what_comes_next(runs: Runs) -> None:
    ahead = time_limit_ahead()
    text = REPORT + "import time\nreport(loss=1)\nwhile True: time.sleep(0.01)"
    saves = text.replace("while", "open(os.environ['CNNJOBS_CHECKPOINT_DIR'] + '/a.pt', 'w')\nwhile")
    assert runs.python(text, stopped=runs.folder.read_metrics, environment=ahead) is RunState.INTERRUPTED
    assert runs.record.cause == "time limit: starts again from nothing"
    assert runs.python(text, stopped=lambda: True, environment=ahead) is RunState.FAILED
    assert (runs.record.cause or "").startswith("the program, which keeps no checkpoint, is not done in the time limit")
    runs.folder.record_file.unlink()
    checkpoint = runs.folder.checkpoints_folder / "a.pt"
    assert runs.python(saves, stopped=checkpoint.exists, environment=ahead) is RunState.INTERRUPTED
    assert (runs.record.cause or "").startswith("time limit: goes on from its checkpoint folder (a.pt of ")


def time_limit_ahead() -> JobEnvironment:
    """A job that Slurm ends for its time limit, again and again."""
    stop = SimpleNamespace(time_limit_ahead=True)
    given = {"_requeues": lambda _: 0, "_time_limit": lambda: "timeout_min 1"}
    environment = JobEnvironment()
    slurm = SimpleNamespace(_stop=stop, max_requeues=20, **given)
    environment.stopped = partial(SlurmEnvironment.stopped, slurm)  # type: ignore[assignment]
    return environment


SLOW = program("lambda e: dict(step=e, loss=e)", saves=True, life=99).replace("range(first, 6)", "range(first, 40)")
SLOW = SLOW.replace("    report(**", "    import time; time.sleep(0.005)\n    report(pid=os.getpid(), **")


@pytest.mark.parametrize("seed", range(2))
def test_a_worker_killed_at_any_moment_loses_no_line_and_takes_its_program_along(runs: Runs, seed: int) -> None:
    Path("train.py").write_text(SLOW)
    undisturbed = [(float(step), float(step)) for step in range(40)]
    moments = random.Random(seed)
    # What it imports of the tests lies here.
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    for attempt in (1, 2, 3):
        worker = subprocess.Popen([sys.executable, __file__, str(runs.folder.path)], env=environment)
        while f'"attempt": {attempt}' not in text_of(runs.folder.metrics_file):
            assert worker.poll() is None
            time.sleep(0.002)
        time.sleep(moments.random() * 0.15)
        worker.kill()
        worker.wait()
        reported = [json.loads(each) for each in attempt_lines(runs, attempt)]
        until = time.monotonic() + 10
        while not is_dead(reported[-1]["pid"]):
            assert time.monotonic() < until, "the program outlived its worker"
            time.sleep(0.005)
    done = subprocess.run([sys.executable, __file__, str(runs.folder.path)], env=environment, check=False)
    assert done.returncode == 0
    assert runs.record.state is RunState.FINISHED
    assert losses(runs) == undisturbed
    kept = runs.folder.metrics_file.read_text()
    for attempt in (1, 2, 3):
        steps = [json.loads(each)["step"] for each in attempt_lines(runs, attempt)]
        assert kept.count(f'"attempt": {attempt},') == len(steps)


def text_of(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def attempt_lines(runs: Runs, attempt: int) -> list[str]:
    content = (runs.folder.program_folder / f"attempt-{attempt}.jsonl").read_text()
    return [each for each in content.splitlines(keepends=True) if each.endswith("\n")]


if __name__ == "__main__":
    folder = RunFolder(Path(sys.argv[1]))
    command = [sys.executable, "-S", "${program}"]
    again = Runs(folder)
    raise SystemExit(again.attempt(program="train.py", command=command) is not RunState.FINISHED)
