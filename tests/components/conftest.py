"""Small data sets on disk, one thread."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

IdxWriter = Callable[..., Path]
FolderWriter = Callable[..., Path]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


def _idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture
def write_idx() -> IdxWriter:
    """Writes the four IDX files of a data set of 20 + 10 images of 8x8 pixels, with EMNIST's names for its splits."""

    def write(
        folder: Path, packed: bool = False, emnist_split: str = "", first_label: int = 0, **replaced: bytes
    ) -> Path:
        folder.mkdir(parents=True)
        draws = np.random.default_rng(0)
        for part, count in (("train", 20), ("test" if emnist_split else "t10k", 10)):
            split = f"emnist-{emnist_split}-{part}" if emnist_split else part
            contents = {
                f"{split}-images-idx3-ubyte": _idx(draws.integers(0, 256, (count, 8, 8))),
                f"{split}-labels-idx1-ubyte": _idx(np.arange(count) % 10 + first_label),
            }
            for name, whole in contents.items():
                content = replaced.get(name.replace("-", "_"), whole)
                path = folder / (f"{name}.gz" if packed else name)
                path.write_bytes(gzip.compress(content) if packed else content)
        return folder

    return write


@pytest.fixture
def write_images() -> FolderWriter:
    """Writes a folder of PNG images, the classes `cat` and `dog` with 4 + 2 images of 6x6 pixels each."""

    def write(folder: Path, mode: str = "RGB", classes: tuple[str, ...] = ("cat", "dog")) -> Path:
        draws = np.random.default_rng(0)
        for split, count in (("train", 4), ("test", 2)):
            for name in classes:
                (folder / split / name).mkdir(parents=True)
                for index in range(count):
                    pixels = draws.integers(0, 256, (6, 6, 3), dtype=np.uint8)
                    Image.fromarray(pixels).convert(mode).save(folder / split / name / f"{index}.png")
        return folder

    return write
