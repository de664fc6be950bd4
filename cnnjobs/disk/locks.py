"""Locks on files: a lock that the kernel gives back when its process dies, however it dies.

File systems without locks (Lustre mounted without `flock`, some network shares) get a mark beside the file instead that
names host and process: from this host it counts while the process lives, from another host always.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from cnnjobs.errors import NotAFileError
from cnnjobs.system.opening import open_to_read, read_words, to_write

_NO_LOCKS: Final = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS)
_LOOKS: Final = 5
_PAUSE_S: Final = 0.01


@dataclass
class Hold:
    """A file open and held; `by_kernel` is False where a mark stands in for the lock.

    `taken` is False while another process still has the lock that this one has gone on without.
    """

    file: BinaryIO
    by_kernel: bool = True
    taken: bool = True

    def renew(self) -> None:
        """Open the file and take the lock anew: a file system that was away may know neither. Raises OSError."""
        # Never a new one: what is missing now was taken away, and with it the lines before.
        renewed = open(self.file.name, "a+b", buffering=0, opener=_open_existing)  # noqa: SIM115
        before, self.file = self.file, renewed
        with suppress(OSError):
            before.close()
        if self.by_kernel and self.taken and not _lock(self.file):
            raise BlockingIOError(errno.EAGAIN, "another process has taken its lock")

    def retake(self) -> None:
        """Take the lock if it was missing and is free by now."""
        if not self.taken:
            with suppress(OSError, ValueError):
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.taken = True


@contextmanager
def hold(path: Path, *, anyway: bool = False) -> Iterator[Hold | None]:
    """The file, opened for appending and held, or None when another process holds it. Raises OSError.

    With `anyway` the other process does not count: it is known to be given up, but its lock or mark may last.
    """
    made = Hold(open(path, "a+b", buffering=0, opener=to_write))  # noqa: SIM115
    try:
        locked = _lock(made.file)
        if locked is not None:
            made.taken = locked
            yield made if locked or anyway else None
            return
        mark = _mark(path)
        if anyway:
            mark.unlink(missing_ok=True)
        if not _place(mark):
            yield None
            return
        made.by_kernel = False
        try:
            yield made
        finally:
            _remove_own(mark)
    finally:
        # All that counts is on disk already.
        with suppress(OSError):
            made.file.close()


def is_held(path: Path) -> bool:
    """Check whether a living process holds the file."""
    try:
        with open_to_read(path) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, NotAFileError):
        return False
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return _holder_lives(_mark(path))
    return False


def _open_existing(path: str, flags: int) -> int:
    return to_write(path, flags & ~os.O_CREAT)


def _lock(file: BinaryIO) -> bool | None:
    """Take the lock: whether it was free, or None where there are no locks."""
    # `is_held` borrows the lock for an instant, so one refusal does not mean that it is taken.
    for _ in range(_LOOKS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE_S)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return None
        else:
            return True
    return False


def _mark(path: Path) -> Path:
    return path.with_name(f".{path.name}.holder")


def _place(mark: Path) -> bool:
    """Leave the mark of this process unless a living one has left its own."""
    if _holder_lives(mark):
        return False
    mark.unlink(missing_ok=True)
    try:
        with mark.open("x") as file:
            file.write(_own_name())
    except FileExistsError:
        return False
    # Of two that removed the same dead mark, the one whose own mark lasts goes on.
    time.sleep(_LOOKS * _PAUSE_S)
    return _is_own(mark)


def _own_name() -> str:
    return f"{socket.gethostname()} {os.getpid()}"


def _is_own(mark: Path) -> bool:
    with suppress(FileNotFoundError):
        return read_words(mark) == _own_name()
    return False


def _remove_own(mark: Path) -> None:
    # A process that was given up finds the mark of its successor in the place of its own.
    if _is_own(mark):
        mark.unlink(missing_ok=True)


def _holder_lives(mark: Path) -> bool:
    try:
        host, pid = read_words(mark).split()
        if host == socket.gethostname():
            os.kill(int(pid), 0)
    except (FileNotFoundError, ProcessLookupError, ValueError, OverflowError, NotAFileError):
        return False
    except PermissionError:
        return True
    return True
