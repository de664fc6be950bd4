"""Processes side by side: scripts of a moment stand in for what trains."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from waiting import until

from cnnjobs.disk.run_folder import RunState
from cnnjobs.disk.submission_folder import JobArray, SubmissionFolder
from cnnjobs.system.stop_request import StopRequest
from cnnjobs.worker.parallel import side_by_side
from cnnjobs.worker.parallel.side_by_side import MAX_KILLS, SUPERSEDED_CODE, SideBySide
from cnnjobs.worker.run_list import run_job


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "_LOOK_S", 0.01)


class Told(StopRequest):
    """Does something in the midst of `train`, when something has happened."""

    def __init__(self) -> None:
        super().__init__()
        self.happened: Callable[[], bool] = lambda: False
        self.then: Callable[[], None] = lambda: None

    def __call__(self) -> bool:
        if self.happened():
            self.happened = lambda: False
            self.then()
        return super().__call__()


class Nursery:
    """Runs that do what a line of shell says; each leaves word of its beginning and of its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stop = Told()

    def train(
        self, run_ids: list[str], body: str, at_once: int | Callable[[Any], int] = 2, gpus: tuple[str, ...] = ()
    ) -> bool:
        script = f'echo "+ $1 $CUDA_VISIBLE_DEVICES" >> log; {body}\necho "- $1" >> log'

        def train(run_id: str) -> NoReturn:
            os.execvp("sh", ["sh", "-c", f'cd "$2"; {script}', "sh", run_id, str(self.path)])

        now = (lambda _: at_once) if isinstance(at_once, int) else at_once
        return SideBySide(run_ids, train, at_once=now, stop=self.stop, gpus=gpus).train()

    def log(self) -> list[str]:
        return [line.strip() for line in (self.path / "log").read_text().splitlines()]

    def most_at_once(self) -> int:
        living = [sum(1 if line[0] == "+" else -1 for line in self.log()[: end + 1]) for end in range(len(self.log()))]
        return max(living)


@pytest.fixture
def nursery(tmp_path: Path) -> Nursery:
    made = Nursery(tmp_path / "it's here")
    made.path.mkdir()
    return made


def test_every_run_has_its_turn_and_no_more_than_allowed_go_on(nursery: Nursery) -> None:
    # Each waits until it has had company.
    body = 'touch "here-$1"; while [ $(ls here-* | wc -l) -lt 2 ]; do sleep 0.01; done'
    assert nursery.train(["a", "b", "c", "d", "e"], body)
    assert sorted(line for line in nursery.log() if line.startswith("-")) == ["- a", "- b", "- c", "- d", "- e"]
    assert nursery.most_at_once() == 2


def test_gpus_are_dealt_to_places(nursery: Nursery) -> None:
    assert nursery.train(["a", "b", "c"], "", at_once=3, gpus=("MIG-a", "1"))
    assert {line for line in nursery.log() if line.startswith("+")} == {"+ a MIG-a", "+ b 1", "+ c MIG-a"}


def test_the_first_goes_alone_until_it_has_passed(nursery: Nursery) -> None:
    passed = nursery.path / "passed"
    body = "[ $1 = a ] && { sleep 0.1; touch passed; while ! grep -q '+ c' log; do sleep 0.01; done; }"
    assert nursery.train(["a", "b", "c"], body, at_once=lambda training: 2 if passed.exists() else 1)
    assert nursery.log()[0] == "+ a"
    assert nursery.most_at_once() == 2


def test_one_at_a_time_goes_after_the_other(nursery: Nursery) -> None:
    assert nursery.train(["a", "b", "c"], "sleep 0.05", at_once=1)
    assert nursery.log() == ["+ a", "- a", "+ b", "- b", "+ c", "- c"]


def test_a_run_that_ends_badly_leaves_the_others_alone(nursery: Nursery) -> None:
    assert not nursery.train(["a", "b", "c"], "[ $1 = a ] && exit 1")
    assert [line for line in nursery.log() if line.startswith("-")] == ["- b", "- c"]


def test_a_killed_process_starts_again_after_the_others(nursery: Nursery, capfd: pytest.CaptureFixture[str]) -> None:
    assert nursery.train(["a", "b", "c"], "[ $1 = a ] && [ ! -e died ] && { touch died; kill -9 $$; }", at_once=1)
    assert nursery.log() == ["+ a", "+ b", "- b", "+ c", "- c", "+ a", "- a"]
    assert capfd.readouterr().out == "a: its process was killed by signal 9: it starts again after the others\n"


def test_a_process_that_always_dies_does_not_go_on_for_ever(
    nursery: Nursery, capfd: pytest.CaptureFixture[str]
) -> None:
    assert not nursery.train(["a", "b"], "[ $1 = a ] && kill -11 $$")
    assert nursery.log().count("+ a") == MAX_KILLS + 1
    assert capfd.readouterr().out.splitlines()[-1] == "a: its process was killed by signal 11: it is not started again"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_a_signal_is_passed_on_once_and_nothing_more_is_started(nursery: Nursery, number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    body = f"""
    trap 'echo "told $1" >> log' {name}
    touch ready-$1; while ! grep -q "told $1" log; do sleep 0.01; done
    """
    log = nursery.path / "log"
    nursery.stop.happened = lambda: len(list(nursery.path.glob("ready-*"))) == 2
    nursery.stop.then = lambda: nursery.stop.received.append(int(number))
    assert nursery.train(["a", "b", "c"], body)
    assert sorted(log.read_text().split("\n"))[1:] == ["+ a ", "+ b ", "- a", "- b", "told a", "told b"]


def test_nothing_more_is_started_by_a_copy_that_was_given_up(nursery: Nursery) -> None:
    body = f"[ $1 = a ] && exit {SUPERSEDED_CODE}; sleep 0.2"
    assert nursery.train(["a", "b", "c"], body)
    assert {line for line in nursery.log() if line.startswith("+")} == {"+ a", "+ b"}


def test_a_process_that_cannot_be_started_is_told(
    nursery: Nursery, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> NoReturn:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", refuse)
    assert not nursery.train(["a", "b"], "")
    assert capfd.readouterr().out.splitlines() == [
        f"{run}: its process could not be started: Resource temporarily unavailable" for run in "ab"
    ]


def test_an_error_in_a_process_is_its_own(nursery: Nursery, capfd: pytest.CaptureFixture[str]) -> None:
    def train(run_id: str) -> int:
        return 0 if run_id == "b" else 1 // 0

    together = SideBySide(["a", "b"], train, at_once=lambda _: 2, gpus=(), stop=nursery.stop)
    assert not together.train()
    assert capfd.readouterr().err.splitlines()[-1].startswith("ZeroDivisionError: ")


@pytest.mark.parametrize("measured", [False, True])
def test_runs_give_beside_each_other_what_they_give_alone(
    jobs: Any, toys: Path, toy: Any, tmp_path: Path, measured: bool
) -> None:
    # Long enough to be looked at between its first validation and its end.
    lasting = {"model__name": "toys:Slow", "epochs": 8} if measured else {"epochs": 2}
    runs = [toy.config(augment=["crop", "flip"], seed=seed, **lasting) for seed in range(2)]
    alone, together = jobs.add(*runs), type(jobs)(tmp_path / "together").add(*runs)
    run_job(jobs.file())
    submission = SubmissionFolder(tmp_path / "together" / "sweep" / "jobs" / "one")
    run_ids = tuple(run.run_id for run in runs)
    submission.write_array(
        JobArray(
            job_name="cnnjobs-toys-1", tasks=(run_ids,), store=together[0].path.parent, runs_at_once=2,
            measured=measured, created="2026-01-01T00:00:00+00:00", host="login", user="ann",
        )
    )  # fmt: skip
    slurm = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "0", "PYTHONPATH": str(toys)}
    slurm |= {"SLURM_MEM_PER_NODE": "100000"}
    command = [sys.executable, "-m", "cnnjobs.worker.slurm_main", str(submission.path)]
    done = subprocess.run(command, env={**os.environ, **slurm}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("worker: up to ")
    if measured:
        # The first one shows it; the one that starts then has it on record.
        (found,) = re.findall(r"^worker: (. runs? at once, of . at most: .* of this job are free)$", done.stdout, re.M)
        assert [found in folder.read_record().notes for folder in together] == [False, True]
    pids = [folder.read_record().attempts[0].pid for folder in together]
    assert len(set(pids)) == 2
    # What the first start of a process loads was there before.
    assert [folder.read_record().attempts[0].process_s for folder in together] == [None, None]
    for one, other in zip(alone, together, strict=True):
        record, expected = other.read_record(), one.read_record()
        assert (record.state, record.metrics) == (RunState.FINISHED, expected.metrics)
        assert toy.timeless(other.read_metrics()) == toy.timeless(one.read_metrics())
        assert other.model_file.read_bytes() == one.model_file.read_bytes()


LATE = """
import os, signal
from cnnjobs.worker.parallel.side_by_side import SideBySide
from cnnjobs.system.stop_request import StopRequest

def train(run_id):
    while signal.SIGUSR2 not in signal.sigpending():
        pass
    own = StopRequest()
    own.listen_to_slurm()
    print(own.received)
    return 0

stop = StopRequest()
stop.listen_to_slurm()
together = SideBySide(["a"], train, at_once=lambda training: 1, gpus=(), stop=stop)
together._start()
os.kill(os.getpid(), signal.SIGUSR2)
print(together.train(), stop.received)
"""


def test_a_signal_that_comes_before_a_process_listens_is_not_lost() -> None:
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=True)
    number = int(signal.SIGUSR2)
    assert done.stdout.splitlines() == [f"[{number}]", f"True [{number}]"]


ORPHAN = """
import os, signal
from cnnjobs.worker.parallel.side_by_side import fork

def work():
    os.write(1, b"here\\n")
    signal.pause()

child = fork(work, {})
os.write(1, b"%d\\n" % child)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_process_ends_with_the_one_that_started_it() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        words = {parent.stdout.readline().strip(), parent.stdout.readline().strip()}
        (pid,) = map(int, words - {"here"})
        parent.kill()
        until(lambda: not _is_alive(pid))


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    os.kill(pid, 0)
    return state not in "ZX"
