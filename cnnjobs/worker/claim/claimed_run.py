"""A run that this process holds, from its claim to its release."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Self

from cnnjobs.disk.fence import Fence
from cnnjobs.disk.metrics_log import MetricsLog
from cnnjobs.disk.outage import Storage
from cnnjobs.disk.run_folder import RunFolder, RunState
from cnnjobs.system.log import TAKEN
from cnnjobs.worker.claim.heartbeat import Heartbeat
from cnnjobs.worker.environment import JobEnvironment


class ClaimedRun:
    """The folder of a run, its metrics log that is held, and the storage that both are used through.

    `fence` and `heartbeat` tell that a newer attempt has it or someone has cancelled it: then the storage stops, too.
    """

    def __init__(self, storage: Storage, log: MetricsLog, held: ExitStack | None = None) -> None:
        self.folder: RunFolder = storage.folder
        self.log, self.storage = log, storage
        self._held = held or ExitStack()
        self.fence = Fence(self.folder)
        self.heartbeat = Heartbeat(log, self.fence.is_passed, self.fence.is_cancelled)
        storage.stop_when(lambda: self.heartbeat.stops)

    @classmethod
    def take(cls, storage: Storage, environment: JobEnvironment | None = None) -> ClaimedRun | None:
        """Claim a run; None when another worker has it, or nothing is left to do. Raises StorageError, Stopped."""
        environment = environment or JobEnvironment()
        with ExitStack() as held:
            log = storage.retry(lambda: held.enter_context(environment.claim(storage.folder)))
            if log is None:
                storage.say(TAKEN)
            # It may have been finished since the first look.
            elif is_open(storage):
                return cls(storage, log, held.pop_all())
        return None

    def beat(self) -> None:
        """Show signs of life until it is released."""
        self._held.enter_context(self.heartbeat)

    def release(self) -> None:
        """Let go of it."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


def is_open(storage: Storage) -> bool:
    """Check whether a run is still to be trained: it has not finished, failed or been cancelled."""
    return not storage.look(lambda: _is_settled(storage.folder))


def _is_settled(folder: RunFolder) -> bool:
    state = folder.read_record().state
    if state is RunState.FINISHED:
        # A crash right after the last record leaves them.
        folder.drop_leftovers()
    return state.is_settled
