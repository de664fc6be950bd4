"""A results folder that goes away for a while and comes back: it is waited for, no run fails and nothing is lost."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.errors import StorageError, storage_error
from cnnjobs.system.stop_request import Stopped

PATIENCE_S: Final = 300.0
# A process that was told to end has a moment to say so.
LAST_PATIENCE_S: Final = 5.0
_LOOK_S: Final = 1.0
_MISSING: Final = frozenset({errno.ENOENT, errno.ENOTDIR})
_AWAY: Final = frozenset(
    {
        errno.ESTALE, errno.EIO, errno.EROFS, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ESHUTDOWN,
        errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.ECONNRESET,
    }
)  # fmt: skip

Result = TypeVar("Result")


def may_be_away(error: OSError) -> bool:
    """Check whether an error tells more of the file system than of the file."""
    return error.errno in _AWAY | _MISSING


class Storage:
    """Reads and writes of a run while its results folder may be away: an unmounted disk, a server that restarts."""

    def __init__(self, folder: RunFolder, stopped: Callable[[], bool], say: Callable[[str], None]) -> None:
        self.folder, self.say = folder, say
        self._results = folder.path.parent
        self._reasons = [stopped]
        self._patience_s = PATIENCE_S

    def stop_when(self, reason: Callable[[], bool]) -> None:
        """One more reason to stop."""
        self._reasons.append(reason)

    def stopped(self) -> bool:
        """Check whether the process, or this run of it, is asked to stop."""
        return any(reason() for reason in self._reasons)

    def retry(self, action: Callable[[], Result], *, at_the_end: bool = False) -> Result:
        """Return the result of `action`, retried while the folder is away, for PATIENCE_S, once in an attempt.

        Raises what the action raised last, and Stopped when asked to stop meanwhile. What is written `at_the_end` of
        an attempt has LAST_PATIENCE_S then.
        """
        since: float | None = None
        while True:
            try:
                result = action()
            except (OSError, StorageError) as error:
                why = self._outage(error)
                if why is None:
                    raise
                if since is None:
                    since = time.monotonic()
                    self.say(f"{self._results} is away ({why}): waiting for it, {PATIENCE_S / 60:g} minutes at most")
                if self.stopped() and not at_the_end:
                    raise Stopped from error
                if time.monotonic() - since > (LAST_PATIENCE_S if self.stopped() else self._patience_s):
                    self._patience_s = 0
                    raise
            else:
                if since is not None:
                    self.say(f"{self._results} is back after {time.monotonic() - since:.0f} s")
                return result
            time.sleep(_LOOK_S)

    def look(self, action: Callable[[], Result], *, at_the_end: bool = False) -> Result:
        """The same for what takes a folder that is away for an empty one."""

        def checked() -> Result:
            result = action()
            try:
                self.folder.path.stat()
            except OSError as error:
                raise storage_error(self.folder.path, error) from error
            return result

        return self.retry(checked, at_the_end=at_the_end)

    def _outage(self, error: OSError | StorageError) -> str | None:
        """Why the folder is away; None when it is there and refuses."""
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            return None
        # One run alone that is missing was removed by someone.
        away = cause.errno in _AWAY or (cause.errno in _MISSING and not _is_there(self._results))
        return str(cause.strerror) if away else None


def _is_there(folder: Path) -> bool:
    try:
        folder.stat()
    except OSError:
        return False
    return True
