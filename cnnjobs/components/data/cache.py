"""Decoded data sets as .npy memory maps, which all processes of a machine share.

One folder per data set, named by its source: `<cache>/<name>-<digest of path, sizes and times of its files>/`. It is
written under another name and then renamed, so that readers see all of it or nothing. One process writes, others that
want the same wait for it; what it leaves when it is killed, the next one goes on with for a day.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cnnjobs.components.data.decoding import Decoded, Source
from cnnjobs.components.files.image_store import CHUNKS
from cnnjobs.components.files.places import Place
from cnnjobs.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cnnjobs.components.files.fitting import Fitting

_ABOUT: Final = "about.json"
_ARRAYS: Final = ("train_images", "train_labels", "test_images", "test_labels")
_WRITING: Final = ".cnnjobs-writing-"
_LOCK: Final = "lock"
_ABANDONED_AFTER_S: Final = 86_400
_LOOK_S: Final = 0.2


@dataclass(frozen=True)
class Remembered:
    """The `folder` in the cache of a decoded data set, its `plain` one without a fitting, and notes on its files."""

    folder: Path
    plain: Path
    notes: tuple[str, ...]
    are_fitted: bool


_ENTRIES: Final[dict[tuple[Place, Fitting | None, bool], Remembered]] = {}


def cache_folder() -> Path:
    """$CNNJOBS_CACHE, else the folder cnnjobs in $XDG_CACHE_HOME or ~/.cache."""
    if own := os.environ.get("CNNJOBS_CACHE"):
        return Path(own).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "cnnjobs"


def cached(folder: Path, decode: Callable[[Path | None], Decoded]) -> Decoded:
    """Result of `decode`, taken from the cache when it is in this `entry` already.

    `decode` is given a folder for arrays that may be too large for memory, each in the file of its name. A cache that
    cannot be written is told in one line, and the data set stays in memory.
    """
    if folder.is_dir():
        try:
            return _read(folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            _say("%s: damaged (%s); decoded again", folder, error)
            shutil.rmtree(folder, ignore_errors=True)
    decoded: Decoded | None = None
    try:
        with _writing(folder) as work:
            if work is not None:
                decoded = decode(work)
                _finish(work, folder, decoded)
        return _read(folder)
    except OSError as error:
        _say("%s: not cached (%s); the data set stays in memory", folder, error.strerror or error)
        return decoded or decode(None)


def remember(place: Place, source: Source, fitting: Fitting | None = None, *, skip: bool = False) -> None:
    """Have `remembered` find what these files were decoded to, in this process and in those forked from it."""
    for fitted, skipping in ((None, False), (fitting, False), (None, skip), (fitting, skip)):
        folder = entry(place, source, fitted, skip=skipping)
        if folder.is_dir():
            are_fitted = fitted is not None
            _ENTRIES[place, fitting, skip] = Remembered(folder, entry(place, source), source.notes, are_fitted)
            return


def remembered(place: Place, fitting: Fitting | None = None, *, skip: bool = False) -> Remembered | None:
    """Memory of a place, without a look at its files, which may be many."""
    found = _ENTRIES.get((place, fitting, skip))
    return found if found is not None and found.folder.is_dir() else None


def entry(place: Place, source: Source, fitting: Fitting | None = None, *, skip: bool = False) -> Path:
    """The folder of what these files are decoded to: other paths, sizes or times have another one. Raises DataError."""
    fitted = (f" {fitting.word}" if fitting else "") + (" skip" if skip else "")
    digest = hashlib.sha256(f"{source.form}{fitted}\n{place.name}\n".encode())
    for path in source.files:
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f"{os.fspath(path)}: cannot be read ({error.strerror}); mend or remove it") from None
        digest.update(f"{os.fspath(path)}\t{status.st_size}\t{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return cache_folder() / f"{place.name.replace('/', '_')}-{digest.hexdigest()[:16]}"


def read_entry(folder: Path) -> Decoded | None:
    """Content of an entry of the cache; None where it is not there or damaged."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return _read(folder)
    return None


def _read(folder: Path) -> Decoded:
    import numpy as np

    about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    stored: dict[str, Any] = {key: value if isinstance(value, int) else tuple(value) for key, value in about.items()}
    # Copy on write: torch warns about arrays that it may not write to.
    stored |= {key: np.load(folder / f"{key}.npy", mmap_mode="c") for key in _ARRAYS}
    return Decoded(**stored)


@contextmanager
def _writing(folder: Path) -> Iterator[Path | None]:
    """Where this process alone writes what is to be `folder`; None when another has written it meanwhile.

    What is begun there stays for the next process when this one is stopped, and goes when it cannot be finished.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder.parent)
    with ExitStack() as stack:
        work = _claim(folder, stack)
        try:
            yield work
        except BaseException as error:
            if work is not None and (isinstance(error, Exception) or not (work / CHUNKS).exists()):
                shutil.rmtree(work, ignore_errors=True)
            raise


def _claim(folder: Path, stack: ExitStack) -> Path | None:
    """The folder to write in, held; on a disk without locks one that no other process knows."""
    work = folder.with_name(f"{_WRITING}{folder.name}")
    told = False
    while not folder.is_dir():
        work.mkdir(exist_ok=True)
        try:
            file = stack.enter_context((work / _LOCK).open("ab"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), (work / _LOCK).stat()):
                if not folder.is_dir():
                    return work
                # It was put into its place since this process looked.
                shutil.rmtree(work, ignore_errors=True)
        except FileNotFoundError:
            # The other process has just put it into its place.
            continue
        except BlockingIOError:
            file.close()
            if not told:
                _say("%s: another process decodes it, this one waits", folder)
            told = True
            time.sleep(_LOOK_S)
        except OSError:
            shutil.rmtree(work, ignore_errors=True)
            return Path(tempfile.mkdtemp(prefix=f"{work.name}-", dir=folder.parent))
    return None


def _finish(work: Path, folder: Path, decoded: Decoded) -> None:
    """Write what is not there yet, and put all of it into its place. Raises OSError."""
    there = ("train_images", "test_images") if (work / CHUNKS).exists() else ()
    for key in _ARRAYS:
        if key not in there:
            _write_array(work / f"{key}.npy", getattr(decoded, key))
    about = {field.name: getattr(decoded, field.name) for field in fields(decoded) if field.name not in _ARRAYS}
    (work / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
    try:
        work.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        shutil.rmtree(work, ignore_errors=True)
    for name in (CHUNKS, _LOCK):
        (folder / name).unlink(missing_ok=True)


def _write_array(path: Path, array: NDArray[np.generic]) -> None:
    import numpy as np

    array = np.ascontiguousarray(array)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data)  # np.save would say how many items it wrote, but not that the disk is full
        file.flush()
        os.fsync(file.fileno())


def _remove_abandoned(cache: Path) -> None:
    """Remove what writers that were killed have left."""
    for path in cache.glob(f"{_WRITING}*"):
        try:
            last = max(each.stat().st_mtime for each in (path, *path.glob("*")))
        except FileNotFoundError:
            continue
        if time.time() - last > _ABANDONED_AFTER_S:
            shutil.rmtree(path, ignore_errors=True)


def _say(message: str, *values: object) -> None:
    logging.getLogger("cnnjobs").warning(message, *values)
