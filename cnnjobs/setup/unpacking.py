"""Archives of published data sets -> the files that are read, put in their place whole or not at all."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Final

from cnnjobs.errors import FetchError

_CHUNK_BYTES: Final = 1 << 20


def is_packed(name: str) -> bool:
    """Check whether a file of that name is unpacked before use."""
    return name.endswith((".gz", ".zip"))


def unpack(archive: Path, below: str, folder: Path) -> None:
    """Write what the archive holds to `folder`, which stands for a data folder; the archive belongs to `below` it.

    A .tar.gz holds paths below the data folder; a .zip holds packed files, and a .gz one file, for the archive's own
    folder. Raises FetchError, and OSError of the disk.
    """
    try:
        for path, source in _files(archive, PurePosixPath(below)):
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"it holds {path}, outside of its folder")
            _write(source, folder / path)
    except (EOFError, ValueError, zlib.error, tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise FetchError(f"{archive}: cannot be unpacked ({error})") from None


def _files(archive: Path, below: PurePosixPath) -> Iterator[tuple[PurePosixPath, IO[bytes] | gzip.GzipFile]]:
    """Where each file goes, and its content."""
    if archive.name.endswith(".tar.gz"):
        with tarfile.open(archive, "r|gz") as packed:
            for member in packed:
                if member.isfile() and (content := packed.extractfile(member)):
                    yield PurePosixPath(member.name), content
    elif archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as listed:
            for name in listed.namelist():
                if name.endswith(".gz"):
                    with listed.open(name) as inner, gzip.open(inner) as unpacked:
                        yield below.with_name(PurePosixPath(name).stem), unpacked
    else:
        with gzip.open(archive) as unpacked:
            yield below.with_suffix(""), unpacked


def _write(source: IO[bytes] | gzip.GzipFile, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as sink:
        shutil.copyfileobj(source, sink, _CHUNK_BYTES)
        sink.flush()
        os.fsync(sink.fileno())


def install(source: Path, target: Path) -> None:
    """Move a file or folder to its place: by one rename where nothing is there, else file by file. Raises OSError."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
    elif source.is_dir() and target.is_dir():
        for each in source.iterdir():
            install(each, target / each.name)
    else:
        source.replace(target)
