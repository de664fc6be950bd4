"""Files of a data set -> arrays and what is known of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from cnnjobs.components.files.places import Place
from cnnjobs.components.files.raw_splits import Contents

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cnnjobs.components.files.fitting import Fitting
    from cnnjobs.components.files.image_folders import FolderContents

_PIXELS_PER_COUNT: Final = 1 << 20
# The form of images that lie as their EXIF orientation says.
_UPRIGHT: Final = 2


@dataclass(frozen=True, eq=False)
class Decoded:
    """Images (N, H, W, C) uint8 and labels (N,) int64 of both splits; `mean` and `std` as in DataSet.

    The last `held_out` training images are the user's own for validation. Rows that are bad are black: the number of
    each, and what is wrong with it.
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    held_out: int = 0
    bad_train: tuple[tuple[int, str], ...] = ()
    bad_test: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, eq=False)
class Survey:
    """A data set before its images are read: contents, classes, and what a user must know of its files."""

    contents: Contents
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """Every file that `decode` reads, in order, and what a user must know of the folder that they lie in.

    `form` counts the changes to what becomes of such files: what was decoded otherwise serves no more.
    """

    files: Sequence[Path | os.DirEntry[str]]
    notes: tuple[str, ...] = ()
    form: int = 1


def source_of(place: Place) -> Source:
    """The files of a data set. Raises DataError for folders of images that cannot be trained on."""
    if place.layout != "image_folder":
        return Source(place.files)
    from cnnjobs.components.files.image_facts import notes_of
    from cnnjobs.components.files.image_listing import list_splits, tables_of

    splits = list_splits(place.path)
    return Source([*splits.entries, *tables_of(place.path)], notes_of(place.path, splits), form=_UPRIGHT)


def decode(
    place: Place,
    classes: tuple[str, ...],
    work: Path | None = None,
    fitting: Fitting | None = None,
    *,
    skip: bool = False,
) -> Decoded:
    """Read the whole data set; a folder of images names its own classes. Raises DataError with the file at fault.

    Images of a folder become files in `work`, where there is one: they may be too many for memory.
    """
    if place.layout == "image_folder":
        from cnnjobs.components.files import image_folders

        return _of_folder(image_folders.read_splits(place.path, work, fitting, skip=skip))
    train_images, train_labels, test_images, test_labels = _in_one_piece(
        _reader(place).read_splits(place, len(classes))
    )
    statistics = channel_statistics(train_images)
    return Decoded(train_images, train_labels, test_images, test_labels, classes, *statistics)


def _of_folder(found: FolderContents) -> Decoded:
    images, labels = found.images, found.labels
    train, train_labels, test, test_labels = _in_one_piece(
        [images["train"], labels["train"], images["test"], labels["test"]]
    )
    own = train[: len(train) - found.held_out]
    bad_train, bad_test = (
        tuple((each.row, each.told) for each in found.bad if each.split == name) for name in ("train", "test")
    )
    statistics = channel_statistics(own, black=sum(row < len(own) for row, _ in bad_train))
    return Decoded(
        train, train_labels, test, test_labels, found.classes, *statistics, found.held_out, bad_train, bad_test
    )


def _in_one_piece(arrays: Sequence[Any]) -> list[Any]:
    import numpy as np

    return [np.ascontiguousarray(array) for array in arrays]


def look(place: Place, classes: tuple[str, ...], *, skip: bool = False) -> Survey:
    """Survey of a data set by its names, headers and labels, without reading its images. Raises DataError."""
    if place.layout != "image_folder":
        contents: Contents = _reader(place).look(place, len(classes))
        return Survey(contents, classes)
    from cnnjobs.components.files import image_folders
    from cnnjobs.components.files.image_facts import notes_of
    from cnnjobs.components.files.image_listing import list_splits

    splits = list_splits(place.path)
    contents, told = image_folders.look(place.path, splits, skip=skip)
    return Survey(contents, splits.classes, (*notes_of(place.path, splits), *told))


def _reader(place: Place) -> ModuleType:
    """The module that reads files of this kind."""
    from cnnjobs.components.files import cifar, idx, svhn
    from cnnjobs.components.files import stl10 as stl10_files

    return {
        "idx": idx,
        "emnist": idx,
        "cifar10": cifar,
        "cifar100": cifar,
        "svhn": svhn,
        "stl10": stl10_files,
    }[place.layout]


def channel_statistics(images: NDArray[np.uint8], black: int = 0) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel of images (N, H, W, C), of pixel values in [0, 1].

    So many `black` ones among them do not count.
    """
    import numpy as np

    counts = np.zeros((images.shape[3], 256), np.int64)
    number = max(1, _PIXELS_PER_COUNT // (images.shape[1] * images.shape[2]))
    for start in range(0, len(images), number):
        for channel, pixels in enumerate(np.moveaxis(images[start : start + number], 3, 0)):
            counts[channel] += np.bincount(pixels.ravel(), minlength=256)
    counts[:, 0] -= black * images.shape[1] * images.shape[2]
    values, shares = np.arange(256) / 255, counts / counts.sum(axis=1, keepdims=True)
    means = shares @ values
    deviations = [np.sqrt(share @ (values - mean) ** 2) for share, mean in zip(shares, means, strict=True)]
    return tuple(map(float, means)), tuple(map(float, deviations))
