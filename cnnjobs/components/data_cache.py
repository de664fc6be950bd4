"""Decoded data sets as .npy memory maps, which all processes of a machine share.

One folder per data set, named by its source: `<cache>/<name>-<digest of path, sizes and times of its files>/`. It is
written under another name and then renamed, so that readers see all of it or nothing; of two writers the second uses
what the first has written.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cnnjobs.components.decoding import Decoded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FORMAT: Final = 1
_ABOUT: Final = "about.json"
_ARRAYS: Final = ("train_images", "train_labels", "test_images", "test_labels")
_WRITING: Final = ".cnnjobs-writing-"
_ABANDONED_AFTER_S: Final = 86_400


def cache_folder() -> Path:
    """$CNNJOBS_CACHE, else the folder cnnjobs in $XDG_CACHE_HOME or ~/.cache."""
    if own := os.environ.get("CNNJOBS_CACHE"):
        return Path(own).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "cnnjobs"


def cached(name: str, files: Sequence[Path], decode: Callable[[], Decoded]) -> Decoded:
    """What `decode` returns, taken from the cache when these files were decoded before.

    A cache that cannot be written is told in one line, and the data set stays in memory.
    """
    folder = cache_folder() / f"{name.replace('/', '_')}-{_fingerprint(name, files)}"
    if folder.is_dir():
        try:
            return _read(folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            _say("%s: damaged (%s); decoded again", folder, error)
            shutil.rmtree(folder, ignore_errors=True)
    decoded = decode()
    try:
        _write(folder, decoded)
        return _read(folder)
    except OSError as error:
        _say("%s: not cached (%s); the data set stays in memory", folder, error.strerror or error)
        return decoded


def _fingerprint(name: str, files: Sequence[Path]) -> str:
    digest = hashlib.sha256(f"{_FORMAT}\n{name}\n".encode())
    for path in files:
        status = path.stat()
        digest.update(f"{path}\t{status.st_size}\t{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def _read(folder: Path) -> Decoded:
    import numpy as np

    about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    stored: dict[str, Any] = {key: tuple(value) for key, value in about.items()}
    # Copy on write: torch warns about arrays that it may not write to.
    stored |= {key: np.load(folder / f"{key}.npy", mmap_mode="c") for key in _ARRAYS}
    return Decoded(**stored)


def _write(folder: Path, decoded: Decoded) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder.parent)
    temporary = Path(tempfile.mkdtemp(prefix=f"{_WRITING}{folder.name}-", dir=folder.parent))
    try:
        for key in _ARRAYS:
            _write_array(temporary / f"{key}.npy", getattr(decoded, key))
        about = {field.name: getattr(decoded, field.name) for field in fields(decoded) if field.name not in _ARRAYS}
        (temporary / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
        try:
            temporary.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
            old = time.time() - path.stat().st_mtime > _ABANDONED_AFTER_S
        except FileNotFoundError:
            continue
        if old:
            shutil.rmtree(path, ignore_errors=True)


def _say(message: str, *values: object) -> None:
    logging.getLogger("cnnjobs").warning(message, *values)
