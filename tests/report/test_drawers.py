from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from cnnjobs.report.plots.drawers import Drawers

forked = pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux alone")


def note(folder: Path, number: int) -> None:
    """Note the process that did the task, appended so that a task that is done twice shows."""
    with (folder / str(number)).open("a") as file:
        file.write(f"{os.getpid()}\n")


def drawn(tasks: list[Callable[[], None]], most: int) -> list[int]:
    told: list[int] = []
    drawers = Drawers(tasks, most=most)
    try:
        drawers.wait(told.append)
    finally:
        drawers.close()
    return told


@pytest.mark.parametrize("most", [1, 3])
def test_every_task_is_done_once(tmp_path: Path, most: int) -> None:
    told = drawn([partial(note, tmp_path, number) for number in range(20)], most)
    pids = [(tmp_path / str(number)).read_text().split() for number in range(20)]
    assert told == list(range(1, 21))
    assert all(len(pid) == 1 for pid in pids)
    if most == 1 or sys.platform != "linux":
        assert {pid[0] for pid in pids} == {str(os.getpid())}
    else:
        assert str(os.getpid()) not in {pid[0] for pid in pids}


def killed_elsewhere(folder: Path, parent: int) -> None:
    if os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    note(folder, 0)


@forked
def test_what_a_killed_process_had_taken_is_done_all_the_same(tmp_path: Path) -> None:
    tasks = [partial(killed_elsewhere, tmp_path, os.getpid())]
    tasks += [partial(note, tmp_path, number) for number in range(1, 9)]
    assert drawn(tasks, 2)[-1] == 9
    assert (tmp_path / "0").read_text() == f"{os.getpid()}\n"
    assert len([*tmp_path.iterdir()]) == 9


def fails() -> None:
    raise ValueError("no room")


@pytest.mark.parametrize("most", [1, 2])
def test_an_error_is_raised_where_one_waits(tmp_path: Path, most: int) -> None:
    tasks = [*(partial(note, tmp_path, number) for number in range(8)), fails]
    with pytest.raises(ValueError, match="no room"):
        drawn(tasks, most)
    assert len([*tmp_path.iterdir()]) == 8


@forked
def test_nothing_runs_on_after_close(tmp_path: Path) -> None:
    drawers = Drawers([partial(os.read, os.pipe()[0], 1) for _ in range(6)], most=2)  # type: ignore[misc]
    processes = [*drawers._processes]
    assert [process.is_alive() for process in processes] == [True, True]
    drawers.close()
    assert [process.is_alive() for process in processes] == [False, False]
