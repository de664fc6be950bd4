"""Runs of one job side by side: each in a process of its own, so many at once.

The job's own process trains none of them. It starts their processes, passes on what Slurm tells it, and waits. A
process that is killed takes nothing along but its run, which starts once more when the others have had their turn.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Final

from cnnjobs.training.stop_request import StopRequest, blocking
from cnnjobs.training.worker import say

# What a process exits with whose run a newer copy of the job has taken.
SUPERSEDED_CODE: Final = 5
MOST_DEATHS: Final = 3
_LOOK_S: Final = 0.3


class SideBySide:
    """The runs of a job, `at_once` of them at a time and one while `alone()`; process k has gpus[k % len(gpus)]."""

    def __init__(
        self,
        run_ids: Sequence[str],
        command: Callable[[str], Sequence[str]],
        *,
        at_once: int,
        gpus: Sequence[str],
        stop: StopRequest,
        alone: Callable[[], bool],
    ) -> None:
        self._waiting = deque(run_ids)
        self._command, self._at_once, self._gpus = command, at_once, gpus
        self._stop, self._alone = stop, alone
        self._children: dict[int, tuple[str, subprocess.Popen[bytes]]] = {}
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
        while self._waiting and not self._is_ending and len(self._children) < self._at_once:
            if self._children and self._alone():
                break
            run_id = self._waiting.popleft()
            slot = next(slot for slot in range(self._at_once) if slot not in self._children)
            own = {"CUDA_VISIBLE_DEVICES": self._gpus[slot % len(self._gpus)]} if self._gpus else {}
            try:
                # Until it listens, a signal would end it without a word.
                with blocking(signal.SIGTERM, signal.SIGUSR2):
                    process = subprocess.Popen(self._command(run_id), env={**os.environ, **own})
            except OSError as error:
                say(run_id, f"its process could not be started: {error.strerror}")
                self._went_well = False
            else:
                self._children[slot] = (run_id, process)

    def _pass_on(self) -> None:
        new = self._stop.received[self._passed_on :]
        self._passed_on += len(new)
        for number in new:
            for _, process in self._children.values():
                process.send_signal(number)

    def _collect(self) -> None:
        """Take note of the processes that have ended."""
        for slot, (run_id, process) in list(self._children.items()):
            code = process.poll()
            if code is None:
                continue
            del self._children[slot]
            self._superseded |= code == SUPERSEDED_CODE
            if code < 0 and not self._stop():
                self._bury(run_id, -code)
            else:
                self._went_well &= code in (0, SUPERSEDED_CODE)

    def _bury(self, run_id: str, number: int) -> None:
        self._deaths[run_id] += 1
        again = self._deaths[run_id] <= MOST_DEATHS
        then = "it starts again after the others" if again else "it is not started again"
        say(run_id, f"its process was killed by signal {number}: {then}")
        if again:
            self._waiting.append(run_id)
        else:
            self._went_well = False


def run_command(submission: str, run_id: str) -> list[str]:
    """What trains one run of the job's element alone."""
    return [sys.executable, "-m", "cnnjobs.training.slurm_worker", submission, run_id]
