"""Decoded images on their way to memory, or to files that a later process goes on with."""

from __future__ import annotations

import json
import os
import threading
import zlib
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Shape = tuple[int, int, int, int]

CHUNKS: Final = "chunks"


class ImageStore:
    """The images (N, H, W, C) uint8 of each split, by name, which come chunk by chunk and from several threads.

    In a `folder` they are files `<name>_images.npy`, and the chunks that a process before this one has put there count
    as long as their pixels are the same; without a folder they are in memory.
    """

    def __init__(self, folder: Path | None, shapes: Mapping[str, Shape]) -> None:
        import numpy as np

        self._folder, self._shapes = folder, dict(shapes)
        self._lock = threading.Lock()
        self._before: dict[tuple[str, int], int] = {}
        self._files: dict[str, tuple[FileIO, int]] = {}
        if folder is None:
            self._arrays = {name: np.empty(shape, np.uint8) for name, shape in shapes.items()}
            return
        first, *lines = _chunk_lines(folder) or ("",)
        if first == self._heading():
            self._before = {(name, int(start)): int(crc) for name, start, crc in map(str.split, lines)}
        else:
            (folder / CHUNKS).write_text(f"{self._heading()}\n", encoding="ascii")
        self._files = {name: self._open(folder, name) for name in shapes}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for file, _ in self._files.values():
            file.close()

    def has(self, name: str, start: int, number: int) -> bool:
        """Check whether these images are there from an earlier process."""
        crc = self._before.get((name, start))
        return crc is not None and zlib.crc32(self._read(name, start, number)) == crc

    def put(self, name: str, start: int, images: NDArray[np.uint8], *, counts: bool = True) -> None:
        """Keep a chunk, the images from `start` on; where it `counts`, for a later process, too. Raises OSError."""
        if self._folder is None:
            self._arrays[name][start : start + len(images)] = images
            return
        file, begin = self._files[name]
        left, place = memoryview(images.tobytes()), begin + start * self._image_bytes(name)
        line = f"{name} {start} {zlib.crc32(left)}\n"
        while left:
            written = os.pwrite(file.fileno(), left, place)
            left, place = left[written:], place + written
        if not counts:
            return
        with self._lock, (self._folder / CHUNKS).open("a", encoding="ascii") as chunks:
            chunks.write(line)

    def arrays(self) -> dict[str, NDArray[np.uint8]]:
        """All that was put, when all of it was. Raises OSError."""
        import numpy as np

        if self._folder is None:
            return self._arrays
        for file, _ in self._files.values():
            os.fsync(file.fileno())
        return {name: np.load(_file(self._folder, name), mmap_mode="r") for name in self._shapes}

    def _heading(self) -> str:
        return json.dumps(self._shapes)

    def _open(self, folder: Path, name: str) -> tuple[FileIO, int]:
        """The file of a split, with room for all images, and where they begin in it."""
        import numpy as np

        path = _file(folder, name)
        file = path.open("r+b" if self._before and path.exists() else "w+b", buffering=0)
        about = {"descr": "|u1", "fortran_order": False, "shape": self._shapes[name]}
        np.lib.format.write_array_header_1_0(file, about)
        begin = file.tell()
        file.truncate(begin + self._shapes[name][0] * self._image_bytes(name))
        return file, begin

    def _read(self, name: str, start: int, number: int) -> bytes:
        (file, begin), size = self._files[name], self._image_bytes(name)
        return os.pread(file.fileno(), number * size, begin + start * size)

    def _image_bytes(self, name: str) -> int:
        _, height, width, channels = self._shapes[name]
        return height * width * channels


def channels_begun(folder: Path | None) -> int | None:
    """The channels of what an earlier process has put into a folder."""
    lines = _chunk_lines(folder) if folder is not None else ()
    return next(iter(json.loads(lines[0]).values()))[3] if lines else None


def _chunk_lines(folder: Path) -> list[str]:
    """Known chunks, up to a torn line."""
    path = folder / CHUNKS
    return path.read_text(encoding="ascii").split("\n")[:-1] if path.exists() else []


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}_images.npy"
