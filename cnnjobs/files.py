"""How files of a run are written: replaced whole, or one line longer; a crash at any instant leaves nothing torn."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cnnjobs import locks
from cnnjobs.errors import storage_error


def write_whole(path: Path, content: bytes, *, keep_as: Path | None = None) -> None:
    """Replace a file so that a reader, or a crash at any instant, finds the old one or the new one.

    With `keep_as` the old file lives on under that name; a crash between the two renames leaves it there alone.
    Raises StorageError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if keep_as is not None and path.exists():
            path.replace(keep_as)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise storage_error(path, error) from error


class MetricsLog:
    """The append-only metrics of a run; holding it open is the claim on the run."""

    def __init__(self, hold: locks.Hold) -> None:
        self._file = hold.file
        self.locked = hold.by_kernel

    def append(self, line: Mapping[str, Any]) -> None:
        """Add one line. Raises StorageError; what was there before stays whole."""
        start = self._file.seek(0, os.SEEK_END)
        content = json.dumps(line, allow_nan=False).encode() + b"\n"
        try:
            # One unbuffered write; a disk that fills up takes a part of the line and refuses the rest.
            written = self._file.write(content)
            if written < len(content):
                self._file.write(content[written:])
            os.fsync(self._file.fileno())
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(start)
            raise storage_error(Path(self._file.name), error) from error

    def keep_up_to(self, step: int) -> list[dict[str, Any]]:
        """Keep and return the lines up to a checkpoint's `step`; later ones and a torn last one go."""
        kept: list[dict[str, Any]] = []
        end = 0
        self._file.seek(0)
        for raw in self._file:
            try:
                line = json.loads(raw) if raw.endswith(b"\n") else None
            except ValueError:
                line = None
            if line is None or line["step"] > step:
                break
            kept.append(line)
            end += len(raw)
        self._file.truncate(end)
        return kept
