from __future__ import annotations

import socket

import pytest

from cnnjobs.disk.run_folder import Attempt, RunState
from cnnjobs.launch.local.pool import _shown
from cnnjobs.launch.plan.resources import Resources
from cnnjobs.status.run_status import RunStatus, RunStatuses
from cnnjobs.sweep.file import Sweep
from cnnjobs.system import capacity as sharing
from cnnjobs.system.capacity import AtOnce, Usage

GB = 10**9


def moment(sweep: Sweep, *, validated: bool, host: str | None = None) -> RunStatuses:
    attempt = Attempt(number=1, host=host or socket.gethostname(), pid=77, started="2026")
    latest = {"validation.loss": 1.0} if validated else {}
    return RunStatuses((RunStatus(sweep.runs[0], RunState.RUNNING, latest=latest, attempts=(attempt,)),))


def told(usage: Usage | None, resources: Resources, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    asked: list[tuple[int, str | None]] = []
    gpu = resources.gpus[0] if resources.gpus else None
    of_machine = Usage(GB, 100 * GB) if gpu else usage
    monkeypatch.setattr(
        sharing,
        "measured",
        lambda pid, of, limit=None: (asked.append((pid, of)), usage if of == gpu else of_machine)[1],
    )
    said: list[str] = []
    found = AtOnce(resources.workers, said.append, measured=resources.measured, gpus=resources.gpus)
    assert found.number(_shown(moment(sweep, validated=False))) == 1
    assert found.number(_shown(moment(sweep, validated=True, host="another"))) == 1
    assert (asked, found.notes) == ([], ())
    numbers = {found.number(_shown(moment(sweep, validated=True))) for _ in range(3)}
    assert asked == ([(77, None), (77, gpu)] if gpu else [(77, None)])
    assert found.notes == tuple(said)
    return numbers.pop(), said[0]


def test_the_first_run_shows_how_many_there_is_memory_for(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    cores = Resources(4, 1, measured=True)
    number, words = told(Usage(2 * GB, 3 * GB), cores, sweep, monkeypatch)
    assert (number, words) == (
        2, "2 runs at once, of 4 at most: one takes 2.0 GB, 3.0 GB of this machine are free",
    )  # fmt: skip
    number, words = told(None, cores, sweep, monkeypatch)
    assert (number, words) == (4, "4 runs at once, of 4 at most: this system does not tell what a run takes")


def test_each_gpu_carries_as_many_as_the_first(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = Resources(16, 1, ("0", "1"), measured=True)
    number, words = told(Usage(2 * GB, 70 * GB, 0.3), gpus, sweep, monkeypatch)
    assert (number, words) == (
        8,
        "8 runs at once, of 16 at most: one takes 1.0 GB, 100.0 GB of this machine are free; one takes 2.0 GB and"
        " computes 30% of the time, 70.0 GB of GPU 0 are free, the same on each of 2 GPUs",
    )
    assert told(None, gpus, sweep, monkeypatch)[0] == 2
