"""The images that both sides of a comparison read: the same arrays in the same files, as memory maps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from cnnjobs.components.data.datasets import DataSet, Split, find_data
from cnnjobs.errors import DataError

_WANTED: Final = {"colour": "cifar10", "gray": "mnist"}
_SPLITS: Final = ("train", "validation", "test")


def arrays(name: str, folders: Sequence[Path], *, folder: str) -> DataSet:
    """The data set that `write` has left in `folder`, for `dataset: benchmarks.arrays:arrays`."""
    del name, folders
    about = json.loads((Path(folder) / "about.json").read_text(encoding="utf-8"))
    splits = (Split(images(folder, split), labels(folder, split)) for split in _SPLITS)
    return DataSet(about["name"], *splits, tuple(about["classes"]), tuple(about["mean"]), tuple(about["std"]))


def images(folder: str, split: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Images (N, H, W, C) of a split."""
    return np.load(Path(folder) / f"{split}_images.npy", mmap_mode="r")


def labels(folder: str, split: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Labels (N,) of a split."""
    return np.load(Path(folder) / f"{split}_labels.npy")


def write(folder: Path, folders: Sequence[Path], kind: str, size: int, num_images: int | None) -> str:
    """Write a data set of `colour` or `gray` images of `size` pixels, and say which it is.

    `num_images` are for training, a fifth as many each for validation and testing; None takes all there are.
    """
    data = _found(_WANTED[kind], folders)
    folder.mkdir(parents=True, exist_ok=True)
    for split in _SPLITS:
        taken: Split = getattr(data, split)
        count = num_images if num_images is None or split == "train" else num_images // 5
        # Some data sets have their classes one after the other.
        chosen = np.sort(np.random.default_rng(0).permutation(len(taken.labels))[:count])
        np.save(folder / f"{split}_images.npy", _fitted(taken.images[chosen], size, 3 if kind == "colour" else 1))
        np.save(folder / f"{split}_labels.npy", taken.labels[chosen])
    channels = 3 if kind == "colour" else 1
    mean, std = ((numbers * channels)[:channels] for numbers in (data.mean, data.std))
    about = {"name": data.name, "classes": data.classes, "mean": mean, "std": std}
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")
    return f"{data.name}, {size} px, {len(data.train.labels[:num_images])} training images"


def _found(name: str, folders: Sequence[Path]) -> DataSet:
    """The data set by its name; the bundled images where it is not here."""
    from cnnjobs.config.run import read_choice

    try:
        find_data(name, folders)
    except DataError:
        name = "fashion_mnist_mini"
    data: DataSet = read_choice("dataset", name).build(name=name, folders=folders)
    return data


def _fitted(pixels: np.ndarray[Any, Any], size: int, channels: int) -> np.ndarray[Any, Any]:
    """Images (N, size, size, channels): pixels repeated, then a border of zeros; gray in all channels."""
    factor = size // pixels.shape[1]
    pixels = pixels.repeat(factor, axis=1).repeat(factor, axis=2)
    before = (size - pixels.shape[1]) // 2
    border = (before, size - pixels.shape[1] - before)
    pixels = np.pad(pixels, ((0, 0), border, border, (0, 0)))
    return pixels if pixels.shape[3] == channels else pixels[..., :1].repeat(channels, axis=3)
