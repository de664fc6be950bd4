"""Runs with several ranks each, one run after the other: their processes are started, told what Slurm tells, awaited.

A rank that dies takes the others of its run along; then all of them start again and go on from the last whole epoch.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.search.early_stopping import EarlyStopping
from cnnjobs.system.log import say
from cnnjobs.system.stop_request import StopRequest, blocking
from cnnjobs.worker.parallel.side_by_side import SUPERSEDED_CODE

MOST_FRUITLESS: Final = 3
# How long the ranks have to end by themselves when one has.
GRACE_S: Final = 30
_LOOK_S: Final = 0.1


def _goes_on(folder: RunFolder, search: EarlyStopping | None) -> bool:
    if folder.read_record().state.is_settled:
        return False
    return search is None or search.decide(folder.run_id).goes_on


@dataclass(frozen=True)
class Start:
    """A process to be started, which is one rank or, as srun, all of them."""

    command: Sequence[str]
    environment: Mapping[str, str]


class RankStarts:
    """`starts` gives the processes of a run; those numbers in `passed_on` are sent to each that `stop` receives."""

    def __init__(
        self,
        starts: Callable[[str], Sequence[Start]],
        *,
        stop: StopRequest,
        passed_on: Sequence[int],
    ) -> None:
        self._starts, self._stop, self._passed_on = starts, stop, passed_on

    def train(self, folders: Iterable[RunFolder], search: EarlyStopping | None = None) -> bool:
        """Train the runs until the job is to end, or their `search` has them wait; False when one did not end well."""
        went_well = True
        for folder in folders:
            fruitless = 0
            while fruitless < MOST_FRUITLESS and not self._stop() and _goes_on(folder, search):
                before = len(folder.read_record().attempts)
                code = self._train_once(folder.run_id)
                if code == SUPERSEDED_CODE:
                    return went_well
                if code == 0 and len(folder.read_record().attempts) == before:
                    # Another worker has it.
                    break
                fruitless = fruitless + 1 if len(folder.read_record().attempts) == before else 0
                if code and not self._stop():
                    say(folder.run_id, f"its ranks have ended with exit code {code}")
            went_well &= self._stop() or fruitless < MOST_FRUITLESS
        return went_well

    def _train_once(self, run_id: str) -> int:
        """The worst exit code of its processes."""
        processes: list[subprocess.Popen[bytes]] = []
        try:
            for start in self._starts(run_id):
                # Until it listens, a signal would end it without a trace.
                with blocking(signal.SIGTERM, signal.SIGUSR2):
                    processes.append(subprocess.Popen(start.command, env={**os.environ, **start.environment}))
        except OSError as error:
            say(run_id, f"its ranks could not be started: {error.strerror}: {error.filename}")
            self._end(processes)
            return 1
        return self._await(processes)

    def _await(self, processes: Sequence[subprocess.Popen[bytes]]) -> int:
        told, until = 0, None
        while any(process.poll() is None for process in processes):
            time.sleep(_LOOK_S)
            for number in self._stop.received[told:]:
                told += 1
                for process in processes if number in self._passed_on else ():
                    process.send_signal(number)
            if until is None and any(process.poll() for process in processes):
                until = time.monotonic() + GRACE_S
            if until is not None and time.monotonic() > until:
                self._end(processes)
        codes = [process.returncode for process in processes]
        return SUPERSEDED_CODE if SUPERSEDED_CODE in codes else max(map(abs, codes))

    def _end(self, processes: Iterable[subprocess.Popen[bytes]]) -> None:
        for process in processes:
            process.kill()
            process.wait()


def rank_environment() -> dict[str, str]:
    """Environment of every rank of a start: a port of this machine that is free now."""
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
    # torch tells each rank of each run that no layer was left out.
    return {"CNNJOBS_RANKS_PORT": str(port), "TORCH_CPP_LOG_LEVEL": os.environ.get("TORCH_CPP_LOG_LEVEL", "ERROR")}


def as_processes(job_file: str, run_id: str, *, ranks: int) -> list[Start]:
    """The ranks of a run as processes of this machine."""
    shared = {**rank_environment(), "CNNJOBS_RANKS": str(ranks)}
    return [Start(_worker(job_file, run_id), {**shared, "CNNJOBS_RANK": str(rank)}) for rank in range(ranks)]


def by_srun(path: str, run_id: str, *, nodes: int, ranks: int) -> list[Start]:
    """All ranks of a run as one step of this job; the first one is on the node of this process."""
    step = ["srun", f"--nodes={nodes}", f"--ntasks={ranks}", "--distribution=block", "--input=none"]
    ends = ["--kill-on-bad-exit=1", f"--wait={GRACE_S}"]
    return [Start([*step, *ends, *_worker(path, run_id)], rank_environment())]


def _worker(path: str, run_id: str) -> list[str]:
    return [sys.executable, "-u", "-m", "cnnjobs.worker.rank_main", path, run_id]
