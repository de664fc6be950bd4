"""Runs of one job side by side: each in a process of its own, so many at once.

The job's own process trains none of them. It loads torch once and forks a process for each run, which then starts in
milliseconds; it passes on what Slurm tells it, and waits. A process that is killed takes nothing along but its run,
which starts once more when the others have had their turn.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Final

from cnnjobs.components.data.datasets import remember_data
from cnnjobs.components.files.fitting import Fitting
from cnnjobs.config.fitting import fitting_of
from cnnjobs.config.kinds import network
from cnnjobs.config.run import Choice
from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.system.log import say
from cnnjobs.system.stop_request import StopRequest, blocking
from cnnjobs.worker.workloads import load_torch

# What a process exits with whose run a newer copy of the job has taken.
SUPERSEDED_CODE: Final = 5
MAX_KILLS: Final = 3
_LOOK_S: Final = 0.05
_SET_PARENT_DEATH_SIGNAL: Final = 1
_LIBRARIES: Final = ("timm", "torchvision")


class SideBySide:
    """The runs of a job; process k has gpus[k % len(gpus)].

    `at_once` tells how many may go on now that the processes of these numbers do. `train` is called with a run in the
    process of that one, and gives what that exits with. SIGTERM and SIGUSR2 are held back from it until it listens.
    """

    def __init__(
        self,
        run_ids: Sequence[str],
        train: Callable[[str], int],
        *,
        at_once: Callable[[Collection[int]], int],
        gpus: Sequence[str],
        stop: StopRequest,
    ) -> None:
        self._waiting = deque(run_ids)
        self._train, self._at_once, self._gpus = train, at_once, gpus
        self._stop = stop
        self._children: dict[int, tuple[str, int]] = {}
        self._deaths: Counter[str] = Counter()
        self._passed_on = 0
        self._superseded = False
        self._went_well = True

    def train(self) -> bool:
        """Train all runs until the job is to end; whether every process has ended well."""
        while self._children or (self._waiting and not self._is_ending):
            self._start()
            time.sleep(_LOOK_S)
            self._pass_on()
            self._collect()
        return self._went_well

    @property
    def _is_ending(self) -> bool:
        return self._superseded or self._stop()

    def _start(self) -> None:
        """Fill the places that are free."""
        while self._waiting and not self._is_ending and self._has_room():
            run_id = self._waiting.popleft()
            slot = next(slot for slot in count() if slot not in self._children)
            own = {"CUDA_VISIBLE_DEVICES": self._gpus[slot % len(self._gpus)]} if self._gpus else {}
            try:
                # Until it listens, a signal would end it without a trace.
                with blocking(signal.SIGTERM, signal.SIGUSR2):
                    self._children[slot] = (run_id, fork(partial(self._train, run_id), own))
            except OSError as error:
                say(run_id, f"its process could not be started: {error.strerror}")
                self._went_well = False

    def _has_room(self) -> bool:
        training = [pid for _, pid in self._children.values()]
        return not training or len(training) < self._at_once(training)

    def _pass_on(self) -> None:
        new = self._stop.received[self._passed_on :]
        self._passed_on += len(new)
        for number in new:
            for _, pid in self._children.values():
                os.kill(pid, number)

    def _collect(self) -> None:
        """Take note of the processes that have ended."""
        for slot, (run_id, pid) in list(self._children.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            code = os.waitstatus_to_exitcode(status)
            del self._children[slot]
            self._superseded |= code == SUPERSEDED_CODE
            if code < 0 and not self._stop():
                self._record_kill(run_id, -code)
            else:
                self._went_well &= code in (0, SUPERSEDED_CODE)

    def _record_kill(self, run_id: str, number: int) -> None:
        self._deaths[run_id] += 1
        again = self._deaths[run_id] <= MAX_KILLS
        then = "it starts again after the others" if again else "it is not started again"
        say(run_id, f"its process was killed by signal {number}: {then}")
        if again:
            self._waiting.append(run_id)
        else:
            self._went_well = False


def preload(threads: int, folders: Iterable[RunFolder], data_folders: Sequence[Path]) -> None:
    """Load what these runs train with, for so many threads: the processes of all of them find it there."""
    folders = [folder for folder in folders if not folder.runs_program()]
    if not folders:
        return
    # NumPy would start threads of its own, which a fork leaves behind.
    load_torch(threads, OPENBLAS_NUM_THREADS="1")
    from cnnjobs.worker import attempt

    import_module("cnnjobs.training.loop.workload")

    next(attempt.NUMBERS)
    seen: list[tuple[Choice, Fitting | None]] = []
    for folder in folders:
        # What is wrong with a run, its own process tells.
        with suppress(Exception):
            config = network(folder.read_config())
            library = config.model.name.partition("/")[0]
            if library in _LIBRARIES:
                import_module(library)
            data, fitting = config.dataset, fitting_of(config.augment)
            if (data, fitting) not in seen:
                seen.append((data, fitting))
                remember_data(data.name, data_folders, data.options, fitting)


def fork(work: Callable[[], int], environment: Mapping[str, str]) -> int:
    """The number of a new process that does `work` and exits with what that gives; it is killed with this one.

    This process must have no thread but its own, and neither have used a GPU nor computed anything on several cores:
    the new one would wait for threads that it does not have. Raises OSError.
    """
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        end_with(parent)
        os.environ.update(environment)
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def end_with(parent: int) -> None:
    """Have the kernel kill this process when the one that started it is killed; Slurm may not find it then."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
