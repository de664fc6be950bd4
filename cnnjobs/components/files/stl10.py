"""The binary files of STL-10 -> arrays (https://cs.stanford.edu/~acoates/stl10/)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from cnnjobs.components.files.places import Place
from cnnjobs.components.files.raw_splits import Contents, RawSplit, check_labels, joined
from cnnjobs.errors import DataError

if TYPE_CHECKING:
    from cnnjobs.components.files.raw_splits import Splits

_IMAGE: Final = (3, 96, 96)
_IMAGE_BYTES: Final = 3 * 96 * 96
# Labels start from 1; a 0 would be an image without one.
_FIRST_LABEL: Final = 1


def read_splits(place: Place, num_classes: int) -> Splits:
    """Both splits of colour images. Raises DataError with the file at fault."""
    train, test = (_read_split(place, *files) for files in (place.files[:2], place.files[2:]))
    return joined(train, test, num_classes, place.again)


def look(place: Place, num_classes: int) -> Contents:
    """Survey by both files of labels; images have one size. Raises DataError."""
    import numpy as np

    read = []
    for images_file, labels_file in (place.files[:2], place.files[2:]):
        labels = np.fromfile(labels_file, np.uint8).astype(np.int64)
        check_labels(labels_file, labels, _FIRST_LABEL, num_classes, place.again)
        _check_size(images_file, place.again)
        read.append(labels - _FIRST_LABEL)
    return Contents(*_IMAGE[1:], _IMAGE[0], num_classes, *read)


def _read_split(place: Place, images_file: Path, labels_file: Path) -> RawSplit:
    """Planes of red, green and blue, each column by column."""
    import numpy as np

    _check_size(images_file, place.again)
    columns = np.fromfile(images_file, np.uint8).reshape(-1, *_IMAGE)  # (N, 3, W, H)
    labels = np.fromfile(labels_file, np.uint8).astype(np.int64)
    return RawSplit(columns.transpose(0, 3, 2, 1), labels, images_file, labels_file, _FIRST_LABEL)


def _check_size(path: Path, again: str) -> None:
    size = path.stat().st_size
    if size % _IMAGE_BYTES:
        raise DataError(f"{path}: cut short: {size} bytes are no whole number of images of {_IMAGE_BYTES}; {again}")
