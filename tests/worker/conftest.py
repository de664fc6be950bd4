"""Workers that start in milliseconds, and a Slurm that is none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Modules that several test files share; runs are those of the tests of training.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

from pretended_slurm import Cluster, Forks
from toy_runs import jobs, toy, toys

__all__ = ["jobs", "toy", "toys"]

NURSERY = """
import os, signal, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import torch
import torch._dynamo  # torch loads it for the first optimizer
import cnnjobs.training.loop.workload
import cnnjobs.worker.attempt
from cnnjobs import registry
from cnnjobs.training.loop import provenance
from cnnjobs.worker.run_list import run_job

provenance.versions()
for kind in registry.KINDS:
    registry.components(kind)


def crash_at(number):
    # The process dies right before its n-th change of the disk.
    left = [number]

    def counted(change):
        def change_or_die(*given, **settings):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return change(*given, **settings)

        return change_or_die

    for name in ("fsync", "replace", "unlink"):
        setattr(os, name, counted(getattr(os, name)))


for command in sys.stdin:
    verb, *given = command.split("\t")
    if verb == "wait":
        print(os.waitstatus_to_exitcode(os.waitpid(int(given[0]), 0)[1]), flush=True)
        continue
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(given[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
        crash_at(int(given[2]))
        run_job(Path(given[0]))
        os._exit(0)
    print(pid, flush=True)
"""


class Nursery:
    """Worker processes that start in milliseconds, forked from one that has loaded torch."""

    def __init__(self, toys: Path) -> None:
        command = [sys.executable, "-c", NURSERY, str(toys)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _ask(self, *words: object) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\t".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def start(self, job_file: Path, crash_at: int = 0) -> int:
        """The process id of a new worker, which may be told to die right before its n-th change of the disk."""
        return self._ask("start", job_file, job_file.with_suffix(".log"), crash_at)

    def wait(self, pid: int) -> int:
        """The exit code of a worker; a negative one is a signal's."""
        return self._ask("wait", pid)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture(scope="session")
def nursery(toys: Path) -> Iterator[Nursery]:
    started = Nursery(toys)
    yield started
    started.close()


@pytest.fixture(scope="session")
def forks(toys: Path) -> Iterator[Forks]:
    started = Forks(toys)
    yield started
    started.close()


@pytest.fixture
def cluster(tmp_path: Path, forks: Forks) -> Cluster:
    return Cluster(tmp_path / "cluster", forks)


@pytest.fixture
def other(tmp_path: Path, forks: Forks) -> Cluster:
    return Cluster(tmp_path / "other", forks)
