"""Data sets that are too large for memory: images stay in their memory map, batches are read from it ahead of use."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnnjobs.components.data.datasets import DataSet, Part, Split
from cnnjobs.system.memory import free_memory

THREADS: Final = 4
_SHARE: Final = 0.5
_GB: Final = 1e9

Item = TypeVar("Item")


def why_streamed(data: DataSet, device: torch.device) -> str | None:
    """In one line, when the images take more than half of what is free on the device; None when they fit."""
    maps = _memory_maps(data)
    size = sum(each.nbytes for each in maps)
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory()
    if free is None or size <= _SHARE * free:
        for each in maps:
            _read_ahead(each)
        return None
    where = "the GPU" if device.type == "cuda" else "this machine"
    return (
        f"the images take {size / _GB:.1f} GB and {where} has {free / _GB:.1f} GB free: they stay in their memory map,"
        f" {THREADS} threads read batches ahead"
    )


def _memory_maps(data: DataSet) -> list[np.memmap]:
    """Those that the splits have their images in, each once."""
    arrays = [split.whole if isinstance(split, Part) else split.images for split in _splits(data)]
    return list({id(array): array for array in arrays if isinstance(array, np.memmap)}.values())


def _splits(data: DataSet) -> tuple[Split, ...]:
    return data.train, data.validation, data.test


def _read_ahead(array: np.memmap) -> None:
    """Have the system read the whole file, in order: far faster than image by image from a disk that is far away."""
    if array.filename is None or not hasattr(os, "posix_fadvise"):
        return
    with suppress(OSError), Path(array.filename).open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


class ImageReader:
    """Reads images (N, H, W, C), those of a memory map each in one piece: page by page takes far longer."""

    def __init__(self, array: NDArray[np.uint8]) -> None:
        self._array = array

    def read(self, rows: Tensor, device: torch.device) -> Tensor:
        """Images (n, C, H, W) at `rows` (n,), on the device. Raises OSError."""
        array = self._array
        if isinstance(array, np.memmap) and array.filename is not None:
            found = _read(Path(array.filename), array.offset, array.shape[1:], rows.tolist())
        else:
            found = array.take(rows.numpy(), axis=0)
        images = torch.from_numpy(found)
        if device.type == "cuda":
            images = images.pin_memory().to(device, non_blocking=True)
        return images.permute(0, 3, 1, 2)


def _read(path: Path, begin: int, shape: tuple[int, ...], rows: Sequence[int]) -> NDArray[np.uint8]:
    found = np.empty((len(rows), *shape), np.uint8)
    with path.open("rb", buffering=0) as file:
        for image, row in zip(found, rows, strict=True):
            if os.preadv(file.fileno(), [image], begin + row * image.nbytes) < image.nbytes:
                raise OSError(f"{path}: cut off at image {row}")
    return found


def ahead(load: Callable[[Item], Tensor], items: Iterable[Item]) -> Iterator[Tensor]:
    """Results of `load` for each item, in order; a few are loaded while those before are used."""
    waiting: deque[Future[Tensor]] = deque()
    with ThreadPoolExecutor(THREADS, "reading") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(load, item))
                if len(waiting) > THREADS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for left in waiting:
                left.cancel()
