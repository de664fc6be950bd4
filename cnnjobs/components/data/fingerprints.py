"""Fingerprints of the data of a run, by content: equal images and labels have one, wherever they are."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cnnjobs.components.files.places import Place
from cnnjobs.errors import DataError

if TYPE_CHECKING:
    from cnnjobs.components.data.splits import DataSet

OTHER_DATA_REMEDY: Final = "put the old images back, or start anew with --force"
_SHOWN: Final = 16
_THREADS: Final = 4
_IMAGES_AT_ONCE: Final = 256


def fingerprint(place: Place, entry: Path) -> str:
    """The SHA-256 of a data set's files; computed once for each state of their paths, sizes and times.

    It stands for classes, and for the content and order of images and labels: not for the names of files, nor for
    whether IDX files are packed. `entry` is that of the cache. Raises DataError.
    """
    file = entry.with_name(f"{entry.name}.sha256")
    with suppress(OSError, ValueError):
        known = file.read_text(encoding="ascii")
        if len(bytes.fromhex(known)) == hashlib.sha256().digest_size:
            return known
    found = _of_folder(place.path) if place.layout == "image_folder" else _combined(_hashes(place.files))
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f"{file.name}.{os.getpid()}.tmp")
        new.write_text(found, encoding="ascii")
        new.replace(file)
    return found


def fingerprint_of_arrays(data: DataSet) -> str:
    """The SHA-256 of images, labels and classes of a data set that comes from code of its own, by splits."""
    parts = [repr(data.classes).encode()]
    for split in (data.train, data.validation, data.test):
        digest = hashlib.sha256(repr((split.take(slice(0)).shape[1:], len(split))).encode())
        digest.update(split.labels.astype("<i8").tobytes())
        for start in range(0, len(split), _IMAGES_AT_ONCE):
            digest.update(split.take(slice(start, start + _IMAGES_AT_ONCE)).tobytes())
        parts.append(digest.digest())
    return _combined(parts)


def changed(name: str, before: str | None, now: str | None) -> str:
    """Notice about data that has changed since runs were trained on it."""
    return f"data set `{name}` has changed (SHA-256 {str(before)[:_SHOWN]}... then, {str(now)[:_SHOWN]}... now)"


def _of_folder(folder: Path) -> str:
    from cnnjobs.components.files.image_listing import list_splits

    parts: list[bytes] = []
    for listing in list_splits(folder).listings:
        for name, entries in listing.classes.items():
            parts += [name.encode(), _combined(_hashes([Path(entry) for entry in entries])).encode()]
    return _combined(parts)


def _hashes(files: Sequence[Path]) -> Iterator[bytes]:
    """The hash of what each file holds, in their order; read by several threads."""
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(_hash, files)


def _hash(path: Path) -> bytes:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); replace or remove it") from None


def _combined(parts: Iterator[bytes] | Sequence[bytes]) -> str:
    """One hash of several texts, each with its length before it."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()
