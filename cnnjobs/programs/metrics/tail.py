"""A text file that grows, read line by line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_MOST_AT_ONCE: Final = 16_000_000


def stamp_of(path: Path) -> tuple[int, int]:
    """Stamp of a file that changes with its content: its time and its size; zeros where there is none."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


class Tail:
    """Lines of a file as they come: one without its end waits, and a file that is begun anew is read anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.restarts = 0
        self._read, self._file_number = 0, -1
        self._begun = b""

    def lines(self, *, at_the_end: bool = False) -> list[bytes]:
        """New whole lines; at the end also one that has no end. Raises OSError, but where there is no file."""
        try:
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_size < self._read or self._file_number not in (-1, found.st_ino):
                    self._read, self._begun = 0, b""
                    self.restarts += 1
                self._file_number = found.st_ino
                file.seek(self._read)
                content = file.read(-1 if at_the_end else _MOST_AT_ONCE)
        except FileNotFoundError:
            content = b""
        self._read += len(content)
        *lines, self._begun = (self._begun + content).split(b"\n")
        if at_the_end and self._begun:
            lines.append(self._begun)
            self._begun = b""
        return lines
