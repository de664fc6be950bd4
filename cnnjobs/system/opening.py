"""Files as others may have left them: opened where they are plain ones, and never written through a link.

A pipe, socket or device in the place of a file would be waited for without end; what a link points to is not ours.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from cnnjobs.errors import NotAFileError


def to_read(path: str, flags: int) -> int:
    """An opener that follows links, to plain files alone. Raises OSError."""
    try:
        mode = Path(path).stat().st_mode
    except OSError as error:
        # A link to itself.
        raise (NotAFileError(path, stat.S_IFLNK) if error.errno == errno.ELOOP else error) from None
    _check(path, mode)
    return _opened(path, flags)


def to_write(path: str, flags: int) -> int:
    """An opener that follows no link. Raises OSError."""
    with suppress(FileNotFoundError):
        _check(path, Path(path).lstat().st_mode)
    return _opened(path, flags | os.O_NOFOLLOW)


def _opened(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NONBLOCK, 0o666)
    try:
        # Another may stand there since the first look.
        _check(path, os.fstat(descriptor).st_mode)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _check(path: str, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder, no file", path)
    if not stat.S_ISREG(mode):
        raise NotAFileError(path, mode)


def open_to_read(path: Path) -> BufferedReader:
    """A plain file, opened for reading. Raises OSError."""
    return open(path, "rb", opener=to_read)


def read_bytes(path: Path) -> bytes:
    """Content of a plain file. Raises OSError."""
    with open_to_read(path) as file:
        return file.read()


def read_words(path: Path) -> str:
    """The text of a plain file that is only told to people; what is no UTF-8 is replaced. Raises OSError."""
    return read_bytes(path).decode(errors="replace").strip()
