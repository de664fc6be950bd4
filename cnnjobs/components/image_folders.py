"""Folders of images, one folder per class -> arrays."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cnnjobs.components.image_store import ImageStore, channels_begun
from cnnjobs.components.raw_splits import Contents
from cnnjobs.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    NamedSplits = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64], tuple[str, ...]]

SUFFIXES: Final = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_GRAY_MODES: Final = ("1", "L", "LA")
_COLOUR_MODES: Final = ("RGB", "RGBA", "P", "CMYK", "YCbCr")
_IMAGES_PER_TASK: Final = 256
_BYTES_PER_TASK: Final = 8 << 20
_PROBLEMS_TOLD: Final = 5
_REMEDY: Final = "bring all images to one square size first, for example with: mogrify -resize 64x64! FILES"


@dataclass(frozen=True)
class Listing:
    """What a split's folder holds: class -> its image files, in the order of their names, and files of other kinds."""

    classes: dict[str, list[os.DirEntry[str]]]
    others: list[os.DirEntry[str]]

    @property
    def entries(self) -> list[os.DirEntry[str]]:
        """The image files of all classes, in order, as their folders list them."""
        return [entry for entries in self.classes.values() for entry in entries]

    @property
    def files(self) -> list[Path]:
        """Their paths."""
        return [Path(entry) for entry in self.entries]

    @property
    def counts(self) -> tuple[int, ...]:
        """How many images each class has."""
        return tuple(map(len, self.classes.values()))


def list_images(split: Path) -> Listing:
    """List the folder of one split; hidden files don't count. Raises DataError when it or a class in it is empty."""
    listing = Listing({}, [])
    for folder in _visible(split):
        if not folder.is_dir():
            listing.others.append(folder)
            continue
        images: list[os.DirEntry[str]] = []
        for entry in _visible(folder):
            (images if entry.name.lower().endswith(SUFFIXES) else listing.others).append(entry)
        if not images:
            raise DataError(
                f"{folder.path}: holds no image; put images there ({' '.join(SUFFIXES)}) or remove the folder"
            )
        listing.classes[folder.name] = images
    if not listing.classes:
        raise DataError(f"{split}: holds no class; make one folder per class, with its images in it")
    return listing


def _visible(folder: os.PathLike[str]) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def read_splits(folder: Path, work: Path | None = None) -> NamedSplits:
    """Images and labels of `train`, those of `test`, and the classes in the order of their names.

    Images are gray (one channel) when every file is, else colour; transparency is dropped. In a folder `work` they
    become files, `train_images.npy` and `test_images.npy`, and what is there already is not read again.
    """
    import numpy as np

    train, test = _list_splits(folder)
    if others := [*train.others, *test.others]:
        message = "%s: %d files are not images and were passed over, the first is %s"
        logging.getLogger("cnnjobs").warning(message, folder, len(others), others[0].path)
    images = _read_images(folder, {"train": train.files, "test": test.files}, work)
    train_labels, test_labels = (
        np.repeat(np.arange(len(listing.classes)), listing.counts) for listing in (train, test)
    )
    return images["train"], train_labels, images["test"], test_labels, tuple(train.classes)


def look(folder: Path) -> tuple[Contents, tuple[str, ...]]:
    """What the names of the files and the first image tell, and the classes. Raises DataError."""
    train, test = _list_splits(folder)
    pixels = _pixels(Path(train.entries[0]))
    height, width, channels = (*pixels.shape, 1)[:3]
    return Contents(height, width, channels, train.counts, test.counts), tuple(train.classes)


def _list_splits(folder: Path) -> tuple[Listing, Listing]:
    train, test = list_images(folder / "train"), list_images(folder / "test")
    if train.classes.keys() != test.classes.keys():
        lonely = [f"{name} (in train alone)" for name in train.classes if name not in test.classes]
        lonely += [f"{name} (in test alone)" for name in test.classes if name not in train.classes]
        raise DataError(f"{folder}: train and test must hold the same classes; found {', '.join(lonely)}")
    return train, test


def _read_images(folder: Path, splits: Mapping[str, Sequence[Path]], work: Path | None) -> dict[str, NDArray[np.uint8]]:
    """All images (N, H, W, C), which must have one square size. Raises DataError that names those that cannot serve."""
    paths = [path for some in splits.values() for path in some]
    size, first, channels = _first_shape(paths)
    try:
        return _decode_all(folder, splits, (size, channels_begun(work) or channels), first, work)
    except _ColourError:
        return _decode_all(folder, splits, (size, 3), first, work)


class _ColourError(Exception):
    """There is a colour image, though the first one is gray."""


def _decode_all(
    folder: Path, splits: Mapping[str, Sequence[Path]], form: tuple[int, int], first: Path, work: Path | None
) -> dict[str, NDArray[np.uint8]]:
    """Images of `form` (size, channels), decoded by several threads at once. Raises _ColourError, DataError."""
    size, channels = form
    number = max(1, min(_IMAGES_PER_TASK, _BYTES_PER_TASK // max(1, size * size * channels)))
    tasks = [
        (name, start, paths[start : start + number])
        for name, paths in splits.items()
        for start in range(0, len(paths), number)
    ]

    shapes = {name: (len(paths), size, size, channels) for name, paths in splits.items()}
    with ImageStore(work, shapes) as store, ThreadPoolExecutor(_num_cores()) as pool:

        def put(task: tuple[str, int, Sequence[Path]]) -> list[str]:
            name, start, some = task
            if store.has(name, start, len(some)):
                return []
            images, problems = _decode(some, form, first)
            if not problems:
                store.put(name, start, images)
            return problems

        problems = [problem for some in pool.map(put, tasks) for problem in some]
        if problems:
            raise DataError(_told(folder, problems, sum(map(len, splits.values()))))
        return store.arrays()


def _decode(paths: Sequence[Path], form: tuple[int, int], first: Path) -> tuple[NDArray[np.uint8], list[str]]:
    """Images (n, H, W, C) of files, and what is wrong with some of them. Raises _ColourError."""
    import numpy as np

    size, channels = form
    images, problems = np.empty((len(paths), size, size, channels), np.uint8), []
    for image, path in zip(images, paths, strict=True):
        try:
            pixels = _pixels(path)
        except DataError as error:
            problems.append(str(error))
            continue
        if pixels.shape[:2] != (size, size):
            found = f"{pixels.shape[1]}×{pixels.shape[0]}"
            problems.append(f"{path}: is {found} pixels, not {size}×{size} like {first}; {_REMEDY}")
            continue
        if pixels.ndim > 2 and channels == 1:
            raise _ColourError
        image[:] = pixels if pixels.ndim == 3 else pixels[:, :, None]
    return images, problems


def _first_shape(paths: Sequence[Path]) -> tuple[int, Path, int]:
    """Size, path and channels of the first image that can be read; one that cannot is told with the others."""
    for path in paths:
        try:
            pixels = _pixels(path)
        except DataError:
            continue
        height, width = pixels.shape[:2]
        if height != width:
            raise DataError(f"{path}: is {width}×{height} pixels, but networks here take square images; {_REMEDY}")
        return height, path, 1 if pixels.ndim == 2 else 3
    return 0, paths[0], 3


def _told(folder: Path, problems: Sequence[str], total: int) -> str:
    if len(problems) == 1:
        return problems[0]
    listed = [f"  {problem}" for problem in problems[:_PROBLEMS_TOLD]]
    more = [f"  and {len(problems) - _PROBLEMS_TOLD} more"] if len(problems) > _PROBLEMS_TOLD else []
    return "\n".join([f"{folder}: {len(problems)} of {total} images cannot be used", *listed, *more])


def _pixels(path: Path) -> NDArray[np.uint8]:
    """The image (H, W) when gray, else (H, W, 3)."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with path.open("rb") as file:
            image = Image.open(file)
            mode = image.mode
            if mode in _GRAY_MODES:
                return np.asarray(image.convert("L"))
            if mode in _COLOUR_MODES:
                return np.asarray(image.convert("RGB"))
    except MemoryError:
        raise
    except UnidentifiedImageError:
        raise DataError(f"{path}: cannot be read as an image (it is of no known kind); replace or remove it") from None
    except Exception as error:  # a damaged file may raise anything
        raise DataError(f"{path}: cannot be read as an image ({error}); replace or remove it") from None
    raise DataError(f"{path}: holds pixels of mode {mode}; save it as gray or RGB with 8 bits per channel")


def _num_cores() -> int:
    """The cores that this process may use: fewer than the machine's inside a job."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
