"""Runs a sweep on this machine: a bounded number of workers, replaced when they die, stopped when asked."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final, Self

from cnnjobs.disk.outage import PATIENCE_S
from cnnjobs.disk.run_folder import RunState
from cnnjobs.disk.submission_folder import Stacks
from cnnjobs.errors import RunError
from cnnjobs.launch.local.workers import JobFolder, Worker, ends_in_time, is_worker, living_workers, prune
from cnnjobs.launch.plan.plan import Plan
from cnnjobs.launch.plan.resources import Resources
from cnnjobs.status.run_status import RunFilesWatcher, RunStatus, RunStatuses
from cnnjobs.status.search.known_runs import KnownRuns
from cnnjobs.system.capacity import AtOnce

_LOOK_EVERY_S: Final = 0.5
_MAX_FRUITLESS: Final = 2
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """The user or the system asked the launcher to stop; `exit_code` is what a shell reports for the signal."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


class LocalPool:
    """The workers of one sweep on this machine, those that a killed launcher left behind among them.

    Inside the `with` block, Ctrl-C, SIGTERM and a closed terminal end `snapshots` with Stopped. An exception that
    leaves the block stops every worker; what is unfinished goes on at the next start. `tell` hears how many runs go on
    at once where that had to be found out, and that the results are away.
    """

    def __init__(
        self,
        plan: Plan,
        resources: Resources,
        folders: Sequence[Path],
        stacks: Stacks | None = None,
        tell: Callable[[str], None] = print,
    ) -> None:
        self._store = plan.store
        self._resources, self._stacks = resources, stacks or Stacks()
        self._at_once = AtOnce(resources.workers, tell, measured=resources.measured, gpus=resources.gpus)
        self._tell = tell
        self._code = plan.code.hash
        self._folders = [str(folder) for folder in folders]
        search = plan.search.proposing is not None
        self._watch = RunFilesWatcher(plan.store, KnownRuns(plan.sweep, plan.store) if search else plan.here)
        self._jobs = JobFolder(plan.store)
        self._adopted = living_workers(plan.store)
        self._own: list[Worker] = []
        self._starts_at: dict[str, int] = {}
        self._fruitless = 0
        self._last_words = ""
        self._heard: list[int] = []
        self._handlers: dict[int, Any] = {}
        self.snapshot = self._watch.look()

    def __enter__(self) -> Self:
        # What the user has told the shell to ignore stays ignored: nohup, or a job in the background.
        heard = [signum for signum in _SIGNALS if signal.getsignal(signum) is not signal.SIG_IGN]
        self._handlers = {signum: signal.signal(signum, self._hear) for signum in heard}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._end(ask=kind is not None)
            self.snapshot = self._watch.look()
            prune(self._store)
        finally:
            for signum, handler in self._handlers.items():
                signal.signal(signum, handler)

    def _hear(self, signum: int, _frame: FrameType | None) -> None:
        self._heard.append(signum)

    @property
    def num_adopted(self) -> int:
        """Workers of an earlier launcher that still go on."""
        return len(self._adopted)

    def snapshots(self) -> Iterator[RunStatuses]:
        """Keep workers going until every run is over; a look at all runs twice a second. Raises RunError, Stopped."""
        while True:
            self._await_results()
            ended = [worker for worker in self._own if self._jobs.has_ended(worker)]
            self._own = [worker for worker in self._own if worker not in ended]
            self._adopted = [worker for worker in self._adopted if worker.is_alive()]
            self.snapshot = self._watch.look()
            yield self.snapshot
            if not self.snapshot.is_open:
                return
            self._judge_ends(ended)
            if self._fruitless < _MAX_FRUITLESS:
                self._top_up()
            self._sleep()

    def _await_results(self) -> None:
        """While the results folder is away its workers wait, and no run is to be taken for new. Raises RunError."""
        until, told = time.monotonic() + PATIENCE_S, False
        while not os.path.exists(self._store.sweep_file):  # noqa: PTH110 - one that cannot be asked is away, too
            if not told:
                self._tell(f"{self._store.path} is away: waiting for it, {PATIENCE_S / 60:g} minutes at most")
                told = True
            if time.monotonic() > until:
                raise RunError(f"{self._store.path} has gone away and does not come back; start again when it is there")
            self._sleep()

    def _sleep(self) -> None:
        until = time.monotonic() + _LOOK_EVERY_S
        while time.monotonic() < until:
            if self._heard:
                raise Stopped(self._heard[0])
            time.sleep(0.05)

    def _top_up(self) -> None:
        """Start as many workers as there is room and work for."""
        free = sum(status.state is not RunState.RUNNING for status in self.snapshot.open) + self.snapshot.to_come
        living = len(self._own) + len(self._adopted) + len(self._strays())
        stacks = self._stacks.among([status.run_id for status in self.snapshot.open])
        units = stacks.units([status.run_id for status in self.snapshot.open])
        room = min(self._at_once.number(_shown(self.snapshot)), self._num_units(stacks)) - living
        for _ in range(min(room, free)):
            slot = self._free_slot()
            # Workers that start together begin with different stacks.
            first = slot % len(units) if stacks.groups and units else 0
            worker = self._jobs.submit(
                slot,
                {
                    "store": str(self._store.path.absolute()),
                    "run_ids": [run_id for unit in (*units[first:], *units[:first]) for run_id in unit],
                    "data_folders": self._folders,
                    "threads": self._resources.threads,
                    "ranks": self._resources.ranks,
                    "gpu": self._resources.gpu(slot),
                    "stacks": stacks.model_dump(mode="json"),
                    "notes": self._at_once.notes,
                    "code": self._code,
                },
            )
            self._starts_at[worker.job_id] = self._num_starts()
            self._own.append(worker)

    def _num_units(self, stacks: Stacks) -> int:
        """Number of workers with something to do: a stack that turned out to be none is as many units as runs."""
        alone = {status.run_id for status in self.snapshot.having(RunState.RUNNING) if _is_alone(status)}
        whole = tuple(group for group in stacks.groups if alone.isdisjoint(group))
        stacks = stacks.model_copy(update={"groups": whole})
        return len(stacks.units([status.run_id for status in self.snapshot.open])) + self.snapshot.to_come

    def _free_slot(self) -> int:
        taken = {worker.slot for worker in (*self._own, *self._adopted)}
        return next(slot for slot in range(len(taken) + 1) if slot not in taken)

    def _strays(self) -> set[int]:
        """Processes of this machine that train runs of this sweep and belong to no job: their controller was killed."""
        known = {worker.job_id for worker in (*self._own, *self._adopted)}
        last = (status.attempts[-1] for status in self.snapshot.having(RunState.RUNNING) if status.attempts)
        here = {attempt.pid for attempt in last if attempt.host == socket.gethostname() and attempt.job_id not in known}
        return {pid for pid in here if is_worker(pid)}

    def _num_starts(self) -> int:
        return sum(len(status.attempts) for status in self.snapshot.runs)

    def _judge_ends(self, ended: Sequence[Worker]) -> None:
        """Workers that end while runs wait, and have started none, are not replaced for ever. Raises RunError."""
        waiting = any(status.state is not RunState.RUNNING for status in self.snapshot.open) or self.snapshot.to_come
        for worker in ended:
            fruitless = bool(waiting) and self._num_starts() == self._starts_at[worker.job_id]
            self._fruitless = self._fruitless + 1 if fruitless else 0
            if self._fruitless >= _MAX_FRUITLESS:
                self._last_words = f"{worker.last_words()}; all they said: {worker.log}"
        nobody = not (self._own or self._adopted or self.snapshot.having(RunState.RUNNING))
        if nobody and self._fruitless >= _MAX_FRUITLESS:
            raise RunError(f"the workers end before they start a run: {self._last_words}")

    def _end(self, *, ask: bool) -> None:
        """Wait a few seconds for the workers to end, and kill what is left; another Ctrl-C does not wait."""
        orphans = self._strays() if ask else set()
        if ask:
            for worker in (*self._own, *self._adopted):
                worker.ask_to_stop()
            for pid in orphans:
                os.kill(pid, signal.SIGTERM)
        if self._all_end(orphans):
            return
        for worker in (*self._own, *(self._adopted if ask else ())):
            orphans |= worker.kill()
        for pid in filter(is_worker, orphans):
            os.kill(pid, signal.SIGKILL)
        self._all_end(orphans)

    def _all_end(self, orphans: set[int]) -> bool:
        """Check whether all workers and orphans have ended before patience does, or another signal comes."""
        heard = len(self._heard)

        def are_gone() -> bool:
            self._own = [worker for worker in self._own if not self._jobs.has_ended(worker)]
            self._adopted = [worker for worker in self._adopted if worker.is_alive()]
            return not (self._own or self._adopted or any(map(is_worker, orphans)))

        return ends_in_time(are_gone, is_hurried=lambda: len(self._heard) > heard)


def _shown(snapshot: RunStatuses) -> int | None:
    """The process of this machine whose run has passed a validation, if there is one."""
    lasts = (status.attempts[-1] for status in snapshot.having(RunState.RUNNING) if status.latest and status.attempts)
    return next((last.pid for last in lasts if last.host == socket.gethostname()), None)


def _is_alone(status: RunStatus) -> bool:
    return bool(status.attempts) and not status.attempts[-1].stacked
