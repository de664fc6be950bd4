"""Figures drawn by several processes, each taking the next one that nobody draws."""

from __future__ import annotations

import multiprocessing
import os
import signal
import struct
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.process import BaseProcess
from typing import Final

_NUMBER: Final = struct.Struct("i")
_MOST: Final = 8
# Below that a process costs more than it saves.
_FEWEST_EACH: Final = 3


def num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Drawers:
    """Processes that do these tasks while this one does something else; `wait` does what none of them has done.

    They are copies of this process, which start at once; where a copy is not safe (any system but Linux), or on one
    core, there are none and `wait` does it all. A task's error is raised by `wait`.
    """

    def __init__(self, tasks: Sequence[Callable[[], None]], most: int | None = None) -> None:
        self._tasks = tasks
        cores = min(num_cores() if most is None else most, _MOST, len(tasks) // _FEWEST_EACH)
        self._processes: list[BaseProcess] = []
        self._done = -1
        if cores > 1 and sys.platform == "linux":
            self._start(cores)

    def _start(self, count: int) -> None:
        # A file with the numbers of all tasks, read from one place by all: who reads a number has it.
        waiting = os.memfd_create("tasks")
        os.write(waiting, b"".join(map(_NUMBER.pack, range(len(self._tasks)))))
        os.lseek(waiting, 0, os.SEEK_SET)
        self._done, finished = os.pipe()
        context = multiprocessing.get_context("fork")
        with warnings.catch_warnings(), suppress(OSError):
            # The threads of a progress bar and of numpy, which the copies do not use.
            warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork")
            for _ in range(count):
                process = context.Process(target=_work, args=(self._tasks, waiting, finished), daemon=True)
                process.start()
                self._processes.append(process)
        os.close(waiting)
        os.close(finished)

    def wait(self, tell: Callable[[int], None]) -> None:
        """Come back when all is done; `tell` hears how many tasks are."""
        left = dict.fromkeys(range(len(self._tasks)))
        while self._processes and (read := os.read(self._done, _NUMBER.size)):
            del left[_NUMBER.unpack(read)[0]]
            tell(len(self._tasks) - len(left))
        for place, number in enumerate(left, len(self._tasks) - len(left) + 1):
            self._tasks[number]()
            tell(place)

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        for process in self._processes:
            process.kill()
            process.join()
        if self._done >= 0:
            os.close(self._done)
        self._processes, self._done = [], -1


def _work(tasks: Sequence[Callable[[], None]], waiting: int, finished: int) -> None:
    """Do what is waiting. What fails is left to the first process, which tells of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while number := os.read(waiting, _NUMBER.size):
        with suppress(Exception):
            tasks[_NUMBER.unpack(number)[0]]()
            os.write(finished, number)
