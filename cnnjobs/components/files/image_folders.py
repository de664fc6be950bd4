"""Folders of images, one folder per class -> arrays."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from cnnjobs.components.files.fitting import Fitting
from cnnjobs.components.files.image_listing import Splits, list_splits
from cnnjobs.components.files.image_store import ImageStore, channels_begun
from cnnjobs.components.files.pictures import is_gray, plain, size_upright
from cnnjobs.components.files.raw_splits import Contents
from cnnjobs.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Decoded = tuple[dict[str, NDArray[np.uint8]], list["Bad"]]

_IMAGES_PER_TASK: Final = 256
_BYTES_PER_TASK: Final = 8 << 20
_PROBLEMS_TOLD: Final = 5
_HEADERS: Final = 1000
_ENDS: Final = {"JPEG": b"\xff\xd9", "PNG": b"IEND", "GIF": b";", "BMP": b""}
_TAIL: Final = 64
TO_ONE_SIZE: Final = (
    "begin `augment` with {name: resize, size: 64}, or with {name: resize, shorter: 72, crop: 64} for the middle, or"
    " {name: letterbox, size: 64} for all of it between bars"
)


@dataclass(frozen=True)
class Bad:
    """An image that cannot be read: the `row` of its split that stays black, and in words what is wrong with it."""

    split: str
    row: int
    told: str


@dataclass(frozen=True, eq=False)
class FolderContents:
    """A decoded folder: images (N, H, W, C) and labels (N,) of `train` and `test`, and the classes in order.

    The last `held_out` images of `train` are the user's own for validation; where `test` is to be drawn, it has none.
    """

    images: Mapping[str, NDArray[np.uint8]]
    labels: Mapping[str, NDArray[np.int64]]
    classes: tuple[str, ...]
    held_out: int
    bad: tuple[Bad, ...]


def read_splits(
    folder: Path, work: Path | None = None, fitting: Fitting | None = None, *, skip: bool = False
) -> FolderContents:
    """Decode a folder: gray (one channel) when every file is, else in colour; transparency is dropped.

    In a folder `work` images become files, `train_images.npy` and `test_images.npy`, and what is there already is not
    read again. Without a `fitting` they must have one square size. Raises DataError that names what cannot be read,
    unless that is to be skipped.
    """
    splits = list_splits(folder)
    images, bad = _read_images(splits.files, work, fitting)
    total = sum(map(len, images.values()))
    if bad and (not skip or len(bad) == total):
        raise DataError(told_of(folder, [each.told for each in bad], total))
    return FolderContents(images, splits.labels, splits.classes, splits.held_out, tuple(bad))


def have_one_size(folder: Path) -> bool:
    """Check by all headers whether the images that can be read have one square size. Raises DataError."""
    paths = [path for files in list_splits(folder).files.values() for path in files]

    def size(path: Path) -> tuple[int, int] | None:
        try:
            return header_of(path).size
        except DataError:
            return None

    with ThreadPoolExecutor(_num_cores()) as pool:
        sizes = {*pool.map(size, paths)} - {None}
    return len(sizes) <= 1 and all(each is None or each[0] == each[1] for each in sizes)


def look(folder: Path, splits: Splits, *, skip: bool = False) -> tuple[Contents, tuple[str, ...]]:
    """Contents by the names of the files and the headers of a thousand that are spread over all, and a note.

    Raises DataError that names those of them that cannot serve, unless they are to be skipped: that is the note.
    """
    paths = [path for files in splits.files.values() for path in files]
    some = spread(paths)
    headers, problems = [], []
    for path in some:
        try:
            headers.append(header_of(path, whole=True))
        except DataError as error:
            problems.append(str(error))
    told = told_of(folder, problems, len(some)) if problems else ""
    if problems and (not skip or not headers):
        raise DataError(told)
    channels = 1 if all(header.is_gray for header in headers) else 3
    widths, heights = zip(*{header.size for header in headers}, strict=True)
    largest = (max(heights), max(widths)) if len(widths) > 1 else None
    number, labels = len(splits.classes), splits.labels
    shape = min(heights), min(widths), channels, number
    contents = Contents(*shape, labels["train"], labels["test"], largest=largest, held_out=splits.held_out)
    return contents, (f"{told}\n  on_bad_image: skip leaves them out",) if told else ()


def spread(paths: Sequence[Path]) -> Sequence[Path]:
    """A thousand at most of these files, from all over them."""
    return paths[:: max(1, -(-len(paths) // _HEADERS))]


@dataclass(frozen=True)
class Header:
    """The `size` (width, height) of an image as it lies upright, and its `mode`, in Pillow's words."""

    size: tuple[int, int]
    mode: str

    @property
    def is_gray(self) -> bool:
        """True if the image is without colour."""
        return is_gray(self.mode)


def header_of(path: Path, *, whole: bool = False) -> Header:
    """The header of an image file, and a look whether the file is `whole`. Raises DataError where it is no image."""
    from PIL import Image

    with _opened(path) as file:
        image = Image.open(file)
        header = Header(size_upright(image), image.mode)
        end = _ENDS.get(image.format or "") if whole else None
        # Some programs write more behind the end: only decoding tells whether pixels are missing.
        if end is not None and (not end or end not in _tail(path)):
            image.load()
        return header


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-min(_TAIL, path.stat().st_size), os.SEEK_END)
        return file.read()


def _read_images(splits: Mapping[str, Sequence[Path]], work: Path | None, fitting: Fitting | None) -> Decoded:
    """All images (N, H, W, C), of one square size or with a fitting, and those that cannot serve. Raises DataError."""
    paths = [path for some in splits.values() for path in some]
    form = _first_form(paths, fitting)
    try:
        return _decode_all(splits, replace(form, channels=channels_begun(work) or form.channels), work)
    except _ColourError:
        return _decode_all(splits, replace(form, channels=3), work)


@dataclass(frozen=True)
class _Form:
    """Images as they are to be decoded; the size is that of the `first` one unless there is a fitting."""

    size: int
    channels: int
    first: Path
    fitting: Fitting | None


class _ColourError(Exception):
    """There is a colour image, though the first one is gray."""


def _decode_all(splits: Mapping[str, Sequence[Path]], form: _Form, work: Path | None) -> Decoded:
    """Images of a form, decoded by several threads at once. Raises _ColourError."""
    size, channels = form.size, form.channels
    number = max(1, min(_IMAGES_PER_TASK, _BYTES_PER_TASK // max(1, size * size * channels)))
    tasks = [
        (name, start, paths[start : start + number])
        for name, paths in splits.items()
        for start in range(0, len(paths), number)
    ]

    shapes = {name: (len(paths), size, size, channels) for name, paths in splits.items()}
    with ImageStore(work, shapes) as store, ThreadPoolExecutor(_num_cores()) as pool:

        def put(task: tuple[str, int, Sequence[Path]]) -> list[Bad]:
            name, start, some = task
            if store.has(name, start, len(some)):
                return []
            images, problems = _decode(some, form)
            # Those with a problem are looked at again by a process that goes on from here.
            store.put(name, start, images, counts=not problems)
            return [Bad(name, start + row, told) for row, told in problems]

        bad = [each for some in pool.map(put, tasks) for each in some]
        return store.arrays(), bad


def _decode(paths: Sequence[Path], form: _Form) -> tuple[NDArray[np.uint8], list[tuple[int, str]]]:
    """Images (n, H, W, C) of files, and what is wrong with some rows, which are black. Raises _ColourError."""
    import numpy as np

    size, channels = form.size, form.channels
    images, problems = np.zeros((len(paths), size, size, channels), np.uint8), []
    for row, (image, path) in enumerate(zip(images, paths, strict=True)):
        try:
            pixels = _pixels(path, form.fitting)
        except DataError as error:
            problems.append((row, str(error)))
            continue
        if pixels.shape[:2] != (size, size):
            problems.append((row, _other_size(path, (pixels.shape[1], pixels.shape[0]), size, form.first)))
            continue
        if pixels.ndim > 2 and channels == 1:
            raise _ColourError
        image[:] = pixels if pixels.ndim == 3 else pixels[:, :, None]
    return images, problems


def _first_form(paths: Sequence[Path], fitting: Fitting | None) -> _Form:
    """The form by the first image that can be read; one that cannot is told with the others."""
    for path in paths:
        try:
            pixels = _pixels(path, fitting)
        except DataError:
            continue
        height, width = pixels.shape[:2]
        if height != width:
            raise DataError(f"{path}: is {width}×{height} pixels, but networks here take square images; {TO_ONE_SIZE}")
        return _Form(height, 1 if pixels.ndim == 2 else 3, path, fitting)
    return _Form(fitting.size if fitting else 0, 3, paths[0], fitting)


def told_of(folder: Path, problems: Sequence[str], total: int) -> str:
    """Faults of some images of a folder: all of it for one, the first few of more, a line each."""
    if len(problems) == 1:
        return problems[0]
    listed = [f"  {problem}" for problem in problems[:_PROBLEMS_TOLD]]
    more = [f"  and {len(problems) - _PROBLEMS_TOLD} more"] if len(problems) > _PROBLEMS_TOLD else []
    return "\n".join([f"{folder}: {len(problems)} of {total} images cannot be used", *listed, *more])


def _other_size(path: Path, found: tuple[int, int], size: int, first: Path) -> str:
    return f"{path}: is {found[0]}×{found[1]} pixels, not {size}×{size} like {first}; {TO_ONE_SIZE}"


def _pixels(path: Path, fitting: Fitting | None) -> NDArray[np.uint8]:
    """The image (H, W) when gray, else (H, W, 3), upright as its EXIF orientation says."""
    import numpy as np
    from PIL import Image

    with _opened(path) as file:
        image = plain(Image.open(file))
        return np.asarray(fitting.of_image(image) if fitting else image)


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
        why = "it is of no known kind" if path.stat().st_size else "it is empty"
        raise DataError(f"{path}: cannot be read as an image ({why}); replace or remove it") from None
    except Exception as error:  # a damaged file may raise anything
        raise DataError(f"{path}: cannot be read as an image ({error}); replace or remove it") from None


def _num_cores() -> int:
    """The cores that this process may use: fewer than the machine's inside a job."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
