"""Folders of images, one folder per class -> arrays."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from cnnjobs.components.files.image_listing import Listing, list_splits
from cnnjobs.components.files.image_store import ImageStore, channels_begun
from cnnjobs.components.files.pictures import upright
from cnnjobs.components.files.raw_splits import Contents
from cnnjobs.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    NamedSplits = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64], tuple[str, ...]]

_GRAY_MODES: Final = ("1", "L", "LA")
_COLOUR_MODES: Final = ("RGB", "RGBA", "P", "CMYK", "YCbCr")
_IMAGES_PER_TASK: Final = 256
_BYTES_PER_TASK: Final = 8 << 20
_PROBLEMS_TOLD: Final = 5
_HEADERS: Final = 1000
_REMEDY: Final = "bring all images to one square size first, for example with: mogrify -resize 64x64! FILES"


def read_splits(folder: Path, work: Path | None = None) -> NamedSplits:
    """Images and labels of `train`, those of `test`, and the classes in the order of their names.

    Images are gray (one channel) when every file is, else colour; transparency is dropped. In a folder `work` they
    become files, `train_images.npy` and `test_images.npy`, and what is there already is not read again.
    """
    train, test = list_splits(folder)
    images = _read_images(folder, {"train": train.files, "test": test.files}, work)
    return images["train"], train.labels, images["test"], test.labels, tuple(train.classes)


def look(folder: Path, train: Listing, test: Listing) -> Contents:
    """Contents by the names of the files, the first image, and the headers of a thousand spread over all.

    Raises DataError that names those of them that cannot serve.
    """
    paths = [*train.files, *test.files]
    pixels = _pixels(paths[0])
    height, width = pixels.shape[:2]
    if height != width:
        raise DataError(_not_square(paths[0], width, height))
    some = paths[:: -(-len(paths) // _HEADERS)]
    modes, problems = {""}, []
    for path in some:
        try:
            modes.add(_mode_of(path, height, paths[0]))
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError(_told(folder, problems, len(some)))
    channels = 3 if pixels.ndim == 3 or modes.intersection(_COLOUR_MODES) else 1
    return Contents(height, width, channels, len(train.classes), train.labels, test.labels)


def _mode_of(path: Path, size: int, first: Path) -> str:
    """The mode of an image, by its header. Raises DataError where it cannot serve beside the `first` one."""
    from PIL import Image

    with _opened(path) as file:
        image = Image.open(file)
        (width, height), mode = image.size, image.mode
    if (width, height) != (size, size):
        raise DataError(_other_size(path, (width, height), size, first))
    if mode not in (*_GRAY_MODES, *_COLOUR_MODES):
        raise DataError(_deep(path, mode))
    return mode


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
            problems.append(_other_size(path, (pixels.shape[1], pixels.shape[0]), size, first))
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
            raise DataError(_not_square(path, width, height))
        return height, path, 1 if pixels.ndim == 2 else 3
    return 0, paths[0], 3


def _told(folder: Path, problems: Sequence[str], total: int) -> str:
    if len(problems) == 1:
        return problems[0]
    listed = [f"  {problem}" for problem in problems[:_PROBLEMS_TOLD]]
    more = [f"  and {len(problems) - _PROBLEMS_TOLD} more"] if len(problems) > _PROBLEMS_TOLD else []
    return "\n".join([f"{folder}: {len(problems)} of {total} images cannot be used", *listed, *more])


def _not_square(path: Path, width: int, height: int) -> str:
    return f"{path}: is {width}×{height} pixels, but networks here take square images; {_REMEDY}"


def _other_size(path: Path, found: tuple[int, int], size: int, first: Path) -> str:
    return f"{path}: is {found[0]}×{found[1]} pixels, not {size}×{size} like {first}; {_REMEDY}"


def _deep(path: Path, mode: str) -> str:
    return f"{path}: holds pixels of mode {mode}; save it as gray or RGB with 8 bits per channel"


def _pixels(path: Path) -> NDArray[np.uint8]:
    """The image (H, W) when gray, else (H, W, 3), upright as its EXIF orientation says."""
    import numpy as np
    from PIL import Image

    with _opened(path) as file:
        image = upright(Image.open(file))
        mode = image.mode
        if mode in _GRAY_MODES:
            return np.asarray(image.convert("L"))
        if mode in _COLOUR_MODES:
            return np.asarray(image.convert("RGB"))
    raise DataError(_deep(path, mode))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """An image file; what goes wrong with it becomes DataError."""
    from PIL import UnidentifiedImageError

    try:
        with path.open("rb") as file:
            yield file
    except MemoryError:
        raise
    except UnidentifiedImageError:
        raise DataError(f"{path}: cannot be read as an image (it is of no known kind); replace or remove it") from None
    except Exception as error:  # a damaged file may raise anything
        raise DataError(f"{path}: cannot be read as an image ({error}); replace or remove it") from None


def _num_cores() -> int:
    """The cores that this process may use: fewer than the machine's inside a job."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
