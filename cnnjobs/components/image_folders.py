"""Folders of images, one folder per class -> arrays."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

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
_PROBLEMS_TOLD: Final = 5
_REMEDY: Final = "bring all images to one square size first, for example with: mogrify -resize 64x64! FILES"


@dataclass(frozen=True)
class Listing:
    """What a split's folder holds: class -> its image files, in the order of their names, and files of other kinds."""

    classes: dict[str, list[Path]]
    others: list[Path]

    @property
    def files(self) -> list[Path]:
        """The image files of all classes, in order."""
        return [path for paths in self.classes.values() for path in paths]

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
        images: list[Path] = []
        for path in _visible(folder):
            (images if path.name.lower().endswith(SUFFIXES) else listing.others).append(path)
        if not images:
            raise DataError(f"{folder}: holds no image; put images there ({' '.join(SUFFIXES)}) or remove the folder")
        listing.classes[folder.name] = images
    if not listing.classes:
        raise DataError(f"{split}: holds no class; make one folder per class, with its images in it")
    return listing


def _visible(folder: Path) -> list[Path]:
    return [folder / name for name in sorted(os.listdir(folder)) if not name.startswith(".")]  # noqa: PTH208 (faster)


def read_splits(folder: Path) -> NamedSplits:
    """Images and labels of `train`, those of `test`, and the classes in the order of their names.

    Images are gray (one channel) when every file is, else colour; transparency is dropped.
    """
    import numpy as np

    train, test = _list_splits(folder)
    if others := [*train.others, *test.others]:
        message = "%s: %d files are not images and were passed over, the first is %s"
        logging.getLogger("cnnjobs").warning(message, folder, len(others), others[0])
    images, cut = _read_images(folder, [*train.files, *test.files]), len(train.files)
    train_labels, test_labels = (
        np.repeat(np.arange(len(listing.classes)), listing.counts) for listing in (train, test)
    )
    return images[:cut], train_labels, images[cut:], test_labels, tuple(train.classes)


def look(folder: Path) -> tuple[Contents, tuple[str, ...]]:
    """What the names of the files and the first image tell, and the classes. Raises DataError."""
    train, test = _list_splits(folder)
    pixels = _pixels(train.files[0])
    height, width, channels = (*pixels.shape, 1)[:3]
    return Contents(height, width, channels, train.counts, test.counts), tuple(train.classes)


def _list_splits(folder: Path) -> tuple[Listing, Listing]:
    train, test = list_images(folder / "train"), list_images(folder / "test")
    if train.classes.keys() != test.classes.keys():
        lonely = [f"{name} (in train alone)" for name in train.classes if name not in test.classes]
        lonely += [f"{name} (in test alone)" for name in test.classes if name not in train.classes]
        raise DataError(f"{folder}: train and test must hold the same classes; found {', '.join(lonely)}")
    return train, test


def _read_images(folder: Path, paths: Sequence[Path]) -> NDArray[np.uint8]:
    """All images (N, H, W, C), which must have one square size. Raises DataError that names those that cannot serve."""
    import numpy as np

    size, first = _first_size(paths)
    images = np.empty((len(paths), size, size, 3), np.uint8)

    def read_some(start: int) -> tuple[bool, list[str]]:
        """Fill `images` from `start` on: whether they were all gray, and what is wrong with some."""
        gray, problems = True, []
        for index, path in enumerate(paths[start : start + _IMAGES_PER_TASK], start):
            try:
                pixels = _pixels(path)
            except DataError as error:
                problems.append(str(error))
                continue
            if pixels.shape[:2] != (size, size):
                found = f"{pixels.shape[1]}×{pixels.shape[0]}"
                problems.append(f"{path}: is {found} pixels, not {size}×{size} like {first}; {_REMEDY}")
                continue
            gray = gray and pixels.ndim == 2
            images[index] = pixels if pixels.ndim == 3 else pixels[:, :, None]
        return gray, problems

    with ThreadPoolExecutor(_num_cores()) as pool:
        done = list(pool.map(read_some, range(0, len(paths), _IMAGES_PER_TASK)))
    if problems := [problem for _, some in done for problem in some]:
        raise DataError(_told(folder, problems, len(paths)))
    return np.ascontiguousarray(images[..., :1]) if all(gray for gray, _ in done) else images


def _first_size(paths: Sequence[Path]) -> tuple[int, Path]:
    """Height and width of the first image that can be read, and its path; one that cannot is told with the others."""
    for path in paths:
        try:
            height, width = _pixels(path).shape[:2]
        except DataError:
            continue
        if height != width:
            raise DataError(f"{path}: is {width}×{height} pixels, but networks here take square images; {_REMEDY}")
        return height, path
    return 0, paths[0]


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
