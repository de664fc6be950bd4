"""A launch that is killed, stopped or doubled: the next start goes on and ends with the same table."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project


@pytest.fixture(scope="module")
def expected(trained: Project) -> bytes:
    return trained.table()


def test_launcher_and_worker_killed(project: Project, expected: bytes) -> None:
    launcher = project.start("local", "shades.yaml", "--no-report")
    project.await_epochs(2)
    for pid in (launcher.pid, *project.controllers(), *project.workers()):
        os.kill(pid, signal.SIGKILL)
    project.finish(launcher)
    project.wait(lambda: not project.workers())
    status = project.call("status", "shades.yaml")
    assert status.stdout.splitlines()[0] == "shades: 2 runs: 1 pending, 1 interrupted"

    done = project.call("local", "shades.yaml", "--no-report")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("shades: 2 runs: 1 new, 1 to resume\n")
    assert project.table() == expected


def test_launcher_killed_while_its_worker_lives_on(project: Project, expected: bytes) -> None:
    launcher = project.start("local", "shades.yaml", "--no-report")
    project.await_epochs(2)
    launcher.kill()
    project.finish(launcher)
    (worker,) = project.workers()

    # A fast machine would train the run to its end before the next launcher looks.
    os.kill(worker, signal.SIGSTOP)
    second = project.start("local", "shades.yaml", "--no-report")
    project.wait(lambda: "still at work" in project.said(second))
    os.kill(worker, signal.SIGCONT)
    done = project.finish(second)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "shades: 2 runs: 1 new, 1 running"
    assert "1 worker of an earlier start still at work: going on with what it does" in lines
    assert {attempt["pid"] for record in project.records() for attempt in record["attempts"]} == {worker}
    assert project.table() == expected


def test_a_second_launcher_is_turned_away_and_a_killed_worker_replaced(project: Project, expected: bytes) -> None:
    launcher = project.start("local", "shades.yaml", "--no-report")
    project.await_epochs(2)
    (worker,) = project.workers()
    os.kill(worker, signal.SIGKILL)
    # The new worker needs its time to start.
    second = project.call("local", "shades.yaml", "--no-report")
    assert second.returncode == 2
    assert second.stderr.startswith(f"error: shades is being run already, by process {launcher.pid} on ")
    assert f"launched by process {launcher.pid} on " in project.call("status", "shades.yaml").stdout

    done = project.finish(launcher)
    assert done.returncode == 0, done.stderr
    assert "interrupted: the process ended without an error message" in done.stdout
    assert sorted(len(record["attempts"]) for record in project.records()) == [1, 2]
    assert project.table() == expected


def test_ctrl_c_stops_the_workers_and_the_next_start_goes_on(project: Project, expected: bytes) -> None:
    launcher = project.start("local", "shades.yaml", "--no-report")
    project.await_epochs(2)
    # A terminal sends Ctrl-C to every process of the group.
    os.killpg(launcher.pid, signal.SIGINT)
    done = project.finish(launcher)
    assert done.returncode == 130
    assert not project.workers() + project.controllers()
    stopped, following = done.stderr.splitlines()[-2:]
    assert stopped == (
        "error: stopped by SIGINT: 0 of 2 runs are finished, 1 goes on from its last whole epoch, "
        "1 starts from its beginning"
    )
    assert following == "go on with: cnnjobs local shades.yaml"
    assert [record["state"] for record in project.records()] == ["interrupted"]

    assert project.call("local", "shades.yaml", "--no-report").returncode == 0
    assert project.table() == expected


def test_a_launcher_that_is_told_to_end_ends_its_workers(project: Project) -> None:
    launcher = project.start("local", "shades.yaml", "--no-report")
    project.wait(lambda: bool(project.workers()))
    launcher.terminate()
    done = project.finish(launcher)
    assert done.returncode == 143
    assert not project.workers() + project.controllers()
    assert done.stderr.splitlines()[-1] == "go on with: cnnjobs local shades.yaml"
