"""Writing files of a run: replaced whole, or one line longer; a crash at any instant leaves nothing torn."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import os
import shutil
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from cnnjobs.errors import InputError, NotAFileError, StorageError, storage_error
from cnnjobs.system.opening import open_to_read, read_bytes, to_write

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


def write_once(path: Path, content: bytes) -> bytes:
    """Write a file unless it is there; what it holds then, the same for all. Raises StorageError."""
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb", opener=to_write) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            pass
        except OSError:
            # Some file systems have no links: there the last of those that are equally fast counts.
            if not path.exists():
                temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return read_bytes(path)
    except OSError as error:
        raise storage_error(path, error) from error


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


def map_at_once(write: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`write` for every item, many at a time: a disk serves waiting writers together, a thousand in a second."""
    with ThreadPoolExecutor(_WRITERS) as writers:
        return list(writers.map(write, items))
