"""How many workers go on at once where that is to be found out."""

from __future__ import annotations

import socket
from collections.abc import Callable

from cnnjobs.launch.resources import Resources
from cnnjobs.launch.state import RunStatus, Snapshot
from cnnjobs.runs import RunState
from cnnjobs.training.sharing import measured


class Measuring:
    """One worker, until its run has passed a validation and so shows what it takes; then as many as fit beside it.

    `notes` are for the records of those that start then; they are told too.
    """

    def __init__(self, resources: Resources, tell: Callable[[str], None]) -> None:
        self._resources, self._tell = resources, tell
        self._number: int | None = None if resources.measured else resources.workers
        self.notes: tuple[str, ...] = ()

    def workers(self, snapshot: Snapshot) -> int:
        """So many may go on now."""
        if self._number is None:
            shown = next((status for status in snapshot.having(RunState.RUNNING) if _has_shown(status)), None)
            if shown is None:
                return 1
            self._number = self._found(shown.attempts[-1].pid)
        return self._number

    def _found(self, pid: int) -> int:
        gpus = self._resources.gpus
        places = len(gpus) or 1
        most = self._resources.workers // places
        usage = measured(pid, gpus[0] if gpus else None)
        if usage is None:
            # Without a GPU only memory is not guarded; on one, a second run may be too much.
            number = places if gpus else most
            text = f"{number} runs at once: this system does not tell what a run takes"
        else:
            number = usage.carried(most) * places
            text = usage.told(most, f"GPU {gpus[0]}" if gpus else "this machine")
            text += f"; the same on each of {places} GPUs" if places > 1 else ""
        self.notes = (text,)
        self._tell(text)
        return number


def _has_shown(status: RunStatus) -> bool:
    """Whether it has passed a validation in a process of this machine."""
    return bool(status.latest and status.attempts and status.attempts[-1].host == socket.gethostname())
