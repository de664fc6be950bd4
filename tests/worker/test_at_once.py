"""Number of runs of a job at once, from what Slurm has given and what the first run takes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from cnnjobs.disk.submission_folder import JobArray
from cnnjobs.system import capacity as sharing
from cnnjobs.system.capacity import AtOnce, Usage
from cnnjobs.worker.parallel.at_once import Allotment, ShownProcess

GB = 10**9


def array(**settings: Any) -> JobArray:
    return JobArray(job_name="n", tasks=(), store="s", created="2026", host="h", user="u", **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "given"),
    [
        ({"SLURM_CPUS_ON_NODE": "6", "SLURM_MEM_PER_NODE": "1000"}, Allotment(6, 1000 << 20)),
        ({"SLURM_CPUS_ON_NODE": "6", "SLURM_MEM_PER_CPU": "200"}, Allotment(6, 1200 << 20)),
        ({"SLURM_CPUS_ON_NODE": "6", "SLURM_MEM_PER_NODE": "0"}, Allotment(6, None)),
        ({"SLURM_CPUS_ON_NODE": "64"}, Allotment(16, None)),
        ({}, Allotment(16, None)),
    ],
)
def test_what_slurm_has_given(told: dict[str, str], given: Allotment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(16), raising=False)
    assert Allotment.read(told) == given


def test_threads_never_outnumber_the_cores() -> None:
    node = Allotment(16, None)
    assert node.most_runs(array(threads=3, runs_at_once=2), ()) == 5
    assert node.most_runs(array(threads=17, runs_at_once=2), ()) == 1
    assert node.most_runs(array(threads=1, runs_at_once=2), ("0",)) == 8
    assert node.most_runs(array(threads=4, runs_at_once=2), ("0",)) == 4
    # A limit on all runs of the sweep counts so many for each job.
    assert node.most_runs(array(threads=1, runs_at_once=3, profile={"max_parallel": 6}), ()) == 3


@pytest.mark.parametrize(
    ("usages", "gpus", "number", "words"),
    [
        (
            {None: Usage(GB, 3 * GB)},
            (),
            3,
            "3 runs at once, of 6 at most: one takes 1.0 GB, 3.0 GB of this job are free",
        ),
        ({None: None}, (), 6, "6 runs at once, of 6 at most: this system does not tell what a run takes"),
        (
            {None: Usage(GB, 3 * GB), "0": Usage(2 * GB, 70 * GB, 0.2)},
            ("0",),
            3,
            "3 runs at once, of 6 at most: one takes 1.0 GB, 3.0 GB of this job are free; one takes 2.0 GB and"
            " computes 20% of the time, 70.0 GB of GPU 0 are free",
        ),
        (
            {None: Usage(GB, 30 * GB), "0": None},
            ("0",),
            1,
            "1 run at once, of 6 at most: one takes 1.0 GB, 30.0 GB of this job are free; the GPU does not tell what it"
            " takes",
        ),
    ],
)
def test_one_goes_ahead_and_shows_how_many_follow(
    usages: dict[str | None, Usage | None],
    gpus: tuple[str, ...],
    number: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits: list[int | None] = []
    monkeypatch.setattr(sharing, "measured", lambda pid, gpu, limit=None: (limits.append(limit), usages[gpu])[1])
    said: list[str] = []
    found = AtOnce(6, said.append, measured=True, gpus=gpus, memory=5 * GB, where="this job")
    shown = ShownProcess()
    assert found.number(shown.among([os.getpid()])) == 1
    shown.show()
    assert found.number(shown.among([1])) == 1
    assert (limits, found.notes) == ([], ())
    assert [found.number(shown.among([os.getpid()])), found.number(None)] == [number, number]
    assert limits[0] == 5 * GB
    assert list(found.notes) == said == [words]


def test_a_number_that_is_given_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "carried", lambda *_, **__: pytest.fail("measured"))
    assert AtOnce(3).number(1) == 3
    assert AtOnce(1, measured=True).number(1) == 1


def test_memory_is_what_the_job_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "own_memory", {os.getpid(): GB, 77: 2 * GB}.get)
    monkeypatch.setattr(sharing, "free_memory", lambda: 50 * GB)
    assert sharing.measured(77, None) == Usage(2 * GB, 50 * GB)
    assert sharing.measured(77, None, 10 * GB) == Usage(2 * GB, 7 * GB)
    assert sharing.measured(77, None, 2 * GB) == Usage(2 * GB, 0)


def test_the_processes_of_a_program_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "free_memory", lambda: 90 * GB)
    alone = sharing.measured(os.getpid(), None)
    hold = "import sys; taken = b'x' * 200_000_000; print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-S", "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.readline()
        both = sharing.measured(os.getpid(), None)
        program.communicate()
    assert alone is not None
    assert both is not None
    assert both.memory - alone.memory > 200_000_000
