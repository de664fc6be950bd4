"""Writing files of a run: replaced whole, or one line longer; a crash at any instant leaves nothing torn."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

from pydantic import ValidationError

from cnnjobs.disk import locks
from cnnjobs.disk.metric_lines import whole_lines
from cnnjobs.errors import InputError, NotAFileError, StorageError, storage_error
from cnnjobs.system.opening import open_to_read, to_write

# What tells that a file's place is taken by something else, or the file by someone else.
NO_FILE: Final = (NotAFileError, IsADirectoryError, PermissionError)
_EMPTY: Final = "EOF while parsing a value at line 1 column 0"
_WORDS: Final = 160
_WRITERS: Final = 32
_LOGS: Final = (".jsonl",)
# A spreadsheet takes a text that starts so for a formula.
_FORMULA_STARTS: Final = ("=", "+", "-", "@")

Item = TypeVar("Item")
Result = TypeVar("Result")


def write_whole(
    path: Path,
    content: bytes,
    *,
    keep_as: Path | None = None,
    guard: Callable[[], None] | None = None,
    make_folder: bool = True,
) -> None:
    """Replace a file so that a reader, or a crash at any instant, finds the old one or the new one.

    With `keep_as` the old file lives on under that name; a crash between the two renames leaves it there alone.
    What `guard` raises at the last moment leaves everything as it was. `make_folder` is not for a folder that may be
    away for a while: the new one would be in the way when it comes back. Raises StorageError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb", opener=to_write) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if guard is not None:
            guard()
        if keep_as is not None and path.exists():
            path.replace(keep_as)
        temporary.replace(path)
    except Exception as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise storage_error(path, error) from error
        raise


def set_aside(files: Iterable[Path], folder: Path) -> None:
    """A folder of what these files hold now, whole or not there; an earlier one goes. Raises OSError."""
    temporary = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for file in files:
        if file.is_file() and not file.is_symlink():
            _copy(file, temporary / file.name)
    remove_folder(folder)
    temporary.rename(folder)


def _copy(file: Path, copy: Path) -> None:
    # Logs grow and are cut in place; everything else is only ever replaced, and may be shared.
    if file.suffix not in _LOGS and ".tfevents." not in file.name:
        with suppress(OSError):
            copy.hardlink_to(file)
            return
    with open_to_read(file) as source, copy.open("xb") as target:
        shutil.copyfileobj(source, target)
        target.flush()
        os.fsync(target.fileno())


def why_damaged(error: Exception) -> str:
    """Damage of a file that could not be read, in a few words."""
    if isinstance(error, OSError):
        return str(error.strerror)
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is no UTF-8"
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False)[0]
        words = f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
        return "it is empty" if words.endswith(_EMPTY) else words
    return " ".join(str(error).split())[:_WORDS]


def set_aside_damaged(path: Path) -> str:
    """Rename a file that cannot be read, or what stands in its place; its new name. Raises StorageError."""
    kept = damaged_name(path)
    try:
        path.rename(kept)
    except OSError as error:
        raise storage_error(path, error) from error
    return kept.name


def remove_mark(path: Path) -> None:
    """Remove a file that says something by being there; a folder in its place is set aside. Raises OSError."""
    try:
        path.unlink(missing_ok=True)
    except IsADirectoryError:
        set_aside_damaged(path)


def damaged_name(path: Path) -> Path:
    """A name beside a damaged file, under which it is set aside: `record.json.damaged`, or with a number behind."""
    names = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    found = (path.with_name(f"{path.name}.damaged{number}") for number in names)
    return next(name for name in found if not os.path.lexists(name))


def remove_folder(folder: Path) -> None:
    """Remove a folder so that a crash leaves no part of it under its name. Raises OSError."""
    gone = folder.with_name(f".{folder.name}.gone")
    shutil.rmtree(gone, ignore_errors=True)
    with suppress(FileNotFoundError):
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def write_new(path: Path, content: bytes) -> None:
    """Write a file that the user has named, and overwrite nothing. Raises InputError."""
    check_new(path)
    try:
        write_whole(path, content)
    except StorageError as error:
        why = error.__cause__.strerror if isinstance(error.__cause__, OSError) else str(error)
        raise InputError(f"{path}: cannot be written ({why}); choose another place") from error


def check_new(path: Path) -> None:
    """Raises InputError where `write_new` would, as far as a look tells: before the work whose result it takes."""
    if path.exists():
        raise InputError(f"{path} exists already and stays as it is; choose another name, or remove it first")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it first")


def can_write(folder: Path) -> bool:
    """Check whether something can be written into a folder, as far as a look tells; it may have to be made."""
    there = next((each for each in (folder, *folder.absolute().parents) if each.exists()), Path())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def table_bytes(columns: Iterable[object], rows: Iterable[Iterable[Any]]) -> bytes:
    """A table as CSV: floats in full, None and NaN empty, texts on one line, none of them a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_csv_cell(str(column)) for column in columns])
    writer.writerows([_csv_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _csv_cell(value: Any) -> str:
    # Most cells of a long table are of these three types, and each text stands in many of them.
    if type(value) is str:
        return _csv_text(value)
    if type(value) is int or (isinstance(value, float) and math.isfinite(value)):
        return float.__repr__(value) if isinstance(value, float) else int.__repr__(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return json.dumps(value) if isinstance(value, bool | int | float) else _csv_text(str(value))


@lru_cache(maxsize=4096)
def _csv_text(value: str) -> str:
    text = " ".join(value.split())
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


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


def map_at_once(write: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`write` for every item, many at a time: a disk serves waiting writers together, a thousand in a second."""
    with ThreadPoolExecutor(_WRITERS) as writers:
        return list(writers.map(write, items))
