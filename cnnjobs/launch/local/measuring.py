"""How many workers go on at once where that is to be found out."""

from __future__ import annotations

import socket
from collections.abc import Callable

from cnnjobs.disk.run_folder import RunState
from cnnjobs.launch.plan.resources import Resources
from cnnjobs.status.run_status import RunStatus, RunStatuses
from cnnjobs.system.capacity import carried


class Measuring:
    """One worker, until its run has passed a validation and so shows what it takes; then as many as fit beside it.

    `notes` are for the records of those that start then; they are told too.
    """

    def __init__(self, resources: Resources, tell: Callable[[str], None]) -> None:
        self._resources, self._tell = resources, tell
        self._number: int | None = None if resources.measured else resources.workers
        self.notes: tuple[str, ...] = ()

    def workers(self, snapshot: RunStatuses) -> int:
        """So many may go on now."""
        if self._number is None:
            shown = next((status for status in snapshot.having(RunState.RUNNING) if _has_shown(status)), None)
            if shown is None:
                return 1
            self._number = self._found(shown.attempts[-1].pid)
        return self._number

    def _found(self, pid: int) -> int:
        gpus = self._resources.gpus
        number, text = carried(pid, gpus, self._resources.workers // (len(gpus) or 1))
        self.notes = (text,)
        self._tell(text)
        return number


def _has_shown(status: RunStatus) -> bool:
    """Whether it has passed a validation in a process of this machine."""
    return bool(status.latest and status.attempts and status.attempts[-1].host == socket.gethostname())
