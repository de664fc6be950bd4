"""A program as a process: in a group of its own, with all that it starts, and gone when it is over."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from cnnjobs.errors import ProgramError
from cnnjobs.system.processes import command_of, descendants, is_dead

# Slurm itself kills 30 s after it has asked (KillWait); until then the end has to be on record.
GRACE_S: Final = 25.0
# What a library has started beside it, as W&B's service, ends by itself after the program.
_LINGER_S: Final = 3.0
_LAST_S: Final = 2.0
_READ: Final = 1 << 16
_SUBREAPER: Final = 36
# It leads the group, and takes it along when this process is killed.
_GUARD: Final = 'trap "" TERM INT HUP QUIT USR1 USR2 TTIN; read end || kill -s KILL -- "-$$"'


class ProgramProcess:
    """A program that runs, and everything that it has started; `feed` takes its output, as it comes.

    Raises ProgramError when it cannot be started.
    """

    def __init__(
        self, line: Sequence[str], *, environment: Mapping[str, str], folder: Path, feed: Callable[[bytes], None]
    ) -> None:
        self._feed = feed
        self._reap_orphans()
        self._strangers = descendants(os.getpid())
        self._guard = subprocess.Popen(["/bin/sh", "-c", _GUARD], stdin=subprocess.PIPE, process_group=0)
        try:
            self._process = subprocess.Popen(
                line, env=dict(environment), cwd=folder, process_group=self._guard.pid, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            self._dismiss_guard()
            cause = f"{line[0] if line else 'the command'}: cannot be started ({_why(error)})"
            raise ProgramError(cause, cause) from error
        assert self._process.stdout is not None
        self._pipe = self._process.stdout.fileno()
        os.set_blocking(self._pipe, False)
        self._is_open = True

    def runs(self, patience_s: float) -> bool:
        """Check whether it still runs, after its output of at most so many seconds was read."""
        self._read(patience_s)
        return self._process.poll() is None

    def pids(self) -> list[int]:
        """The processes of it."""
        return [self._process.pid, *self._others()]

    def ask_to_end(self) -> None:
        """Send SIGTERM to the program and to what it has started."""
        self._send(signal.SIGTERM)

    def end_within(self, grace_s: float) -> None:
        """Ask it to end, and wait so long for that."""
        self.ask_to_end()
        until = time.monotonic() + grace_s
        while self.runs(0.05) and time.monotonic() < until:
            pass

    def kill(self) -> None:
        """Send SIGKILL to all of them."""
        self._send(signal.SIGKILL)

    def finish(self) -> tuple[int, tuple[str, ...]]:
        """The exit code, negative for a signal, and the names of the processes that it left behind: they are ended."""
        left = self._wait_for_others(_LINGER_S)
        names = tuple(map(command_of, left))
        if left:
            self._send(signal.SIGTERM)
            if self._wait_for_others(_LAST_S):
                self._send(signal.SIGKILL)
                self._wait_for_others(_LAST_S)
        while self._read(0):
            pass
        return self._process.wait(), names

    def close(self) -> None:
        """Let nothing of it live on, however it is left."""
        if self._process.poll() is None or self._others():
            self._send(signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_LAST_S)
            self._wait_for_others(_LAST_S)
        self._dismiss_guard()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _wait_for_others(self, patience_s: float) -> list[int]:
        until = time.monotonic() + patience_s
        while (left := self._others()) and time.monotonic() < until:
            self._read(0.05)
            time.sleep(0.01)
        return left

    def _read(self, patience_s: float) -> bool:
        """Read what there is; False where there is nothing, or never will be."""
        if not self._is_open:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)
            return False
        if not select.select([self._pipe], [], [], patience_s)[0]:
            return False
        with suppress(BlockingIOError):
            content = os.read(self._pipe, _READ)
            self._is_open = bool(content)
            self._feed(content)
        return self._is_open

    def _send(self, number: int) -> None:
        others = self._others()
        # Suspended processes, too, are to hear it.
        for each in (number, signal.SIGCONT):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._guard.pid, each)
            for pid in others:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, each)

    def _others(self) -> list[int]:
        """The processes that it has started, those that have left its group too; dead ones are reaped."""
        own = self._strangers | {self._guard.pid, self._process.pid}
        left = descendants(os.getpid()) - own
        for pid in sorted(left):
            # Only of those that were left to this process.
            with suppress(OSError):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    left.discard(pid)
        return sorted(pid for pid in left if not is_dead(pid))

    def _dismiss_guard(self) -> None:
        assert self._guard.stdin is not None
        with suppress(OSError):
            self._guard.stdin.write(b"\n")
            self._guard.stdin.flush()
        with suppress(OSError):
            self._guard.stdin.close()
        self._guard.wait()

    @staticmethod
    def _reap_orphans() -> None:
        """Become the parent of what a program leaves behind, so that it is found."""
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)
