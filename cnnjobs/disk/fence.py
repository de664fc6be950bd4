"""Of two copies of one run only the newer counts.

When a node is lost while its process lives on, Slurm starts the run a second time. The newcomer announces itself in the
run folder; the older copy looks for that at every heartbeat and right before each write, lets go, and writes nothing
more. From its first record on, the newcomer stands in the record as the last attempt, and the announcement goes.

Who cancels a run may not see yet which process has just claimed it: that looks for a cancellation at the same moments.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress

from cnnjobs.disk.files import NO_FILE, remove_mark, write_whole
from cnnjobs.disk.run_folder import Attempt, RunFolder, RunRecord, RunState
from cnnjobs.system.opening import read_bytes
from cnnjobs.system.stop_request import Stopped


class Superseded(Exception):  # noqa: N818
    """A newer attempt has the run: this one ends and writes nothing more."""


def identity() -> dict[str, str | int]:
    """Identity of this process among all copies."""
    variables = ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT")
    known = {name.lower(): os.environ[name] for name in variables if name in os.environ}
    return {"host": socket.gethostname(), "pid": os.getpid(), **known}


def announce(folder: RunFolder) -> None:
    """Tell the run's holder that this process takes its place. Raises StorageError."""
    write_whole(folder.successor_file, json.dumps(identity()).encode(), make_folder=False)


def is_announced(folder: RunFolder) -> bool:
    """Check whether this process is the one that takes the holder's place."""
    return _announced(folder) == identity()


def withdraw(folder: RunFolder) -> None:
    """Take the announcement of this process back."""
    if is_announced(folder):
        remove_mark(folder.successor_file)


def _announced(folder: RunFolder) -> object:
    try:
        return json.loads(read_bytes(folder.successor_file))
    except (FileNotFoundError, *NO_FILE, ValueError, RecursionError):
        return None


class Fence:
    """Keeps one attempt from writing once a newer one has come."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._attempt: Attempt | None = None

    def begun(self, attempt: Attempt) -> None:
        """The record names this attempt as the last one from now on. Raises Stopped when the run was cancelled."""
        self._attempt = attempt
        withdraw(self._folder)
        if self.is_cancelled():
            raise Stopped

    def is_cancelled(self) -> bool:
        """Check whether someone has asked for the end of the run. What cannot be read now tells nothing."""
        with suppress(OSError, ValueError):
            return self._folder.cancellation() is not None
        return False

    def is_passed(self) -> bool:
        """Check whether a newer attempt has come. What cannot be read now tells nothing."""
        with suppress(OSError, ValueError):
            return _announced(self._folder) not in (None, identity()) or self._is_replaced()
        return False

    def check(self) -> None:
        """Raises Superseded when a newer attempt has come."""
        if self.is_passed():
            raise Superseded

    def _is_replaced(self) -> bool:
        mine = self._attempt
        if mine is None:
            # A lock may not reach the host where the run was cancelled: there it was nobody's.
            return self._folder.read_record().state is RunState.CANCELLED and not self.is_cancelled()
        record = RunRecord.model_validate_json(read_bytes(self._folder.record_file))
        last = record.attempts[-1] if record.attempts else None
        same = last is not None and (last.number, last.host, last.pid) == (mine.number, mine.host, mine.pid)
        return record.state is not RunState.RUNNING or not same
