"""The metrics of a run on disk: lines are added, and holding the file is the claim on the run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from cnnjobs.disk import locks
from cnnjobs.disk.files import damaged_name, write_whole
from cnnjobs.disk.metric_lines import whole_lines
from cnnjobs.errors import storage_error


class MetricsLog:
    """The append-only metrics of a run; holding it open is the claim on the run."""

    def __init__(self, hold: locks.Hold) -> None:
        self._hold = hold
        self._refused = False
        self.locked = hold.by_kernel

    @property
    def _file(self) -> BinaryIO:
        return self._hold.file

    @property
    def is_alone(self) -> bool:
        """True if no other process has the lock that this one has gone on without."""
        return self._hold.taken

    def keep(self) -> None:
        """Take the lock if another process had it and has let go."""
        self._hold.retake()

    def touch(self) -> None:
        """Say that the run is at work. Raises OSError."""
        os.utime(self._file.fileno())

    def append(self, *lines: Mapping[str, Any]) -> None:
        """Add lines. Raises StorageError; what was there stays whole, and they may be added again."""
        content = b"".join(json.dumps(line, allow_nan=False).encode() + b"\n" for line in lines)
        with self._mended():
            start = self._file.seek(0, os.SEEK_END)
            try:
                # One unbuffered write; a disk that fills up takes a part of it and refuses the rest.
                written = self._file.write(content)
                if written < len(content):
                    self._file.write(content[written:])
                os.fsync(self._file.fileno())
            except OSError:
                with suppress(OSError):
                    self._file.truncate(start)
                raise

    def keep_up_to(self, step: float) -> list[dict[str, Any]]:
        """Keep and return the lines up to a checkpoint's `step`; later ones and a torn last one go.

        It is one cut, so that no crash costs a line; lines before it that do not count stay and go on not counting. A
        damaged file is copied before. Raises StorageError; then it may be done again.
        """
        with self._mended():
            self._file.seek(0)
            content = self._file.read()
            lines, damage = whole_lines(content)
            if damage is not None:
                write_whole(damaged_name(Path(self._file.name)), content, make_folder=False)
            kept = [(end, line) for end, line in lines if line["step"] <= step]
            self._file.truncate(kept[-1][0] if kept else 0)
        return [line for _, line in kept]

    def cut_after(self, number: int, aside: Path) -> list[dict[str, Any]]:
        """Keep and return so many lines that count; later ones go into the file `aside`.

        Raises StorageError; then it may be done again.
        """
        with self._mended():
            self._file.seek(0)
            content = self._file.read()
            kept = whole_lines(content)[0][:number]
            end = kept[-1][0] if kept else 0
            if len(content) > end:
                write_whole(aside, content[end:], make_folder=False)
            self._file.truncate(end)
        return [line for _, line in kept]

    @contextmanager
    def _mended(self) -> Iterator[None]:
        """After a refusal the next attempt has a new opening of the file, without a line that was begun."""
        try:
            if self._refused:
                self._hold.renew()
                self._file.seek(0)
                self._file.truncate(self._file.read().rfind(b"\n") + 1)
                self._refused = False
            yield
        except OSError as error:
            self._refused = True
            raise storage_error(Path(self._file.name), error) from error
