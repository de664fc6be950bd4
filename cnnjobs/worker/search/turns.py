"""The order in which a job takes its runs up.

Without a search it is that of its list. With one, runs that were kept at a band go first, then those that nobody has
begun, by their index, then those that it proposes; runs whose verdict is missing are left until it has come. A job
waits only for runs that others train at this moment: one that was preempted or killed it takes up itself.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from cnnjobs.config.kinds import read_any_config
from cnnjobs.disk.outage import Storage
from cnnjobs.disk.run_folder import KILLED_CAUSE, RunFolder, RunState, RunStore
from cnnjobs.errors import RunError, StorageError
from cnnjobs.system.log import say
from cnnjobs.system.stop_request import Stopped, StopRequest
from cnnjobs.worker.claim.claimed_run import ClaimedRun, is_open
from cnnjobs.worker.claim.heartbeat import TOUCH_S
from cnnjobs.worker.environment import JobEnvironment
from cnnjobs.worker.job import Job
from cnnjobs.worker.search.early_end import settle

Unit = tuple[str, ...]
Turn = tuple[Unit, str]
"""A run, or several that train as one network; and a note for its record."""

# A holder on another host may have a lock that is not seen here.
_SILENCE_S: Final = 6 * TOUCH_S
_REFUSED_S: Final = 5.0


def turns(job: Job, stop: StopRequest, environment: JobEnvironment) -> ListedTurns | SearchTurns:
    """The turns of a job."""
    return SearchTurns(job, stop, environment) if environment.is_search else ListedTurns(job, stop)


class ListedTurns:
    """The units of a list in their order."""

    def __init__(self, job: Job, stop: StopRequest) -> None:
        self._waiting = deque((unit, "") for unit in job.stacks.units(job.run_ids))
        self._stop = stop

    def __iter__(self) -> Iterator[Turn]:
        while self._waiting:
            if self._stop():
                say("worker", "stopped")
                return
            yield self._waiting.popleft()

    def put_first(self, next_ones: Sequence[Turn]) -> None:
        """Let these go next."""
        self._waiting.extendleft(reversed(next_ones))


class SearchTurns:
    """The units of a search that may go on now, until none is left; waits `patience_s` at most for other jobs' runs."""

    def __init__(
        self,
        job: Job,
        stop: StopRequest,
        environment: JobEnvironment,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._job, self._next = job, deque[Turn]()
        self._store, self._search = RunStore(job.store), environment.early_stopping
        # Ranks train one run, and whoever started them looks for the next.
        self._proposals = environment.proposals if environment.ranks.number == 1 else None
        self._stop, self._environment, self._pause = stop, environment, pause
        self._refused: dict[str, float] = {}

    def __iter__(self) -> Iterator[Turn]:
        since: float | None = None
        while not self._stop():
            turn = self._next.popleft() if self._next else self._ready() or self._proposed()
            if turn is not None:
                since = None
                before = self._starts(turn[0])
                yield turn
                if self._starts(turn[0]) == before:
                    self._refused.update(dict.fromkeys(turn[0], time.monotonic() + _REFUSED_S))
                continue
            if self._environment.ranks.number > 1 or not (self._refused_now() or self._others_train()):
                return
            since = time.monotonic() if since is None else since
            if time.monotonic() - since > self._environment.patience_s:
                turn = self._proposed(waited=True)
                if turn is None:
                    say("worker", "the runs that are left wait for others, which train in other jobs: this one ends")
                    return
                self._next.append(turn)
                continue
            self._pause(self._environment.look_s)
        say("worker", "stopped")

    def put_first(self, next_ones: Sequence[Turn]) -> None:
        """Let these go next."""
        self._next.extendleft(reversed(next_ones))

    def _ready(self) -> Turn | None:
        """The unit to go next; those that are to be stopped are ended on the way."""
        fresh: Turn | None = None
        for unit in self._units():
            runs = [run for run_id in unit if (run := self._free(run_id)) is not None]
            ready = tuple(run.folder.run_id for run in runs if self._goes_on(run))
            if ready and any(self._store.run(run_id).read_record().attempts for run_id in ready):
                return ready, ""
            if ready and fresh is None:
                fresh = ready, ""
        return fresh

    def _units(self) -> list[Unit]:
        """All units that are known now: those of the list, and what was proposed."""
        proposed = () if self._proposals is None else self._proposals.known()
        known = [run_id for each in proposed for run_id, nested in each.runs.items() if self._is_there(run_id, nested)]
        return self._job.stacks.units([*dict.fromkeys([*self._job.run_ids, *known])])

    def _proposed(self, *, waited: bool = False) -> Turn | None:
        """The first run of a configuration that is proposed now, if one can be."""
        if self._proposals is None:
            return None
        try:
            proposal = self._proposals.next(waited=waited)
        except RunError as error:
            say("worker", str(error))
            return None
        if proposal is None:
            return None
        if proposal.ended:
            say("worker", f"the search has come to its end: {proposal.ended}")
            return None
        say("worker", f"configuration {proposal.index + 1} is proposed by {proposal.engine}")
        there = [run_id for run_id, nested in proposal.runs.items() if self._is_there(run_id, nested)]
        return ((there[0],), "") if there else None

    def _is_there(self, run_id: str, nested: dict[str, Any]) -> bool:
        """Check whether a proposed run has its folder; whoever has proposed it may have died before it was made."""
        folder = self._store.run(run_id)
        if not folder.config_file.exists():
            config = read_any_config(nested)
            # Who claims a run that another has just made clears what is half written in its folder.
            with suppress(StorageError):
                if not isinstance(config, list):
                    folder.create(config)
        return folder.config_file.exists()

    def _refused_now(self) -> bool:
        return any(until > time.monotonic() for until in self._refused.values())

    def _free(self, run_id: str) -> Storage | None:
        """A run that is open and, as far as can be seen, held by nobody."""
        storage = Storage(self._store.run(run_id), self._stop, partial(say, run_id))
        refused = self._refused.get(run_id, 0.0) > time.monotonic()
        return storage if not refused and is_open(storage) and not _is_held(storage.folder) else None

    def _goes_on(self, storage: Storage) -> bool:
        folder, search = storage.folder, self._search
        if search is None or not folder.read_record().attempts:
            return True
        decision = storage.retry(lambda: search.decide(folder.run_id))
        if decision.stops:
            with suppress(Stopped):
                run = ClaimedRun.take(storage, self._environment)
                if run is not None:
                    with run:
                        self._environment.ended(settle(run, search, decision))
        return decision.goes_on

    def _others_train(self) -> bool:
        known = {run_id for unit in self._units() for run_id in unit}
        if self._search is not None:
            blocks = self._search.stopping().blocks
            known |= {run_id for block in blocks for each in block for run_id in each}
        return any(_is_held(self._store.run(run_id)) for run_id in known)

    def _starts(self, unit: Unit) -> list[int]:
        return [len(self._store.run(run_id).read_record().attempts) for run_id in unit]


def _is_held(folder: RunFolder) -> bool:
    """Check whether another process trains a run."""
    if folder.is_claimed():
        return True
    record = folder.read_record()
    if record.state is not RunState.INTERRUPTED or record.cause != KILLED_CAUSE or not record.attempts:
        return False
    if record.attempts[-1].host == socket.gethostname():
        return False
    with suppress(OSError):
        return time.time() - folder.metrics_file.stat().st_mtime < _SILENCE_S
    return False
