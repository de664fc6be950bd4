"""IDX files, those of MNIST and its kin -> arrays (http://yann.lecun.com/exdb/mnist/, "file formats")."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cnnjobs.components.files.places import Place
from cnnjobs.components.files.raw_splits import Contents, RawSplit, check_labels, joined
from cnnjobs.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cnnjobs.components.files.raw_splits import Splits

_IMAGE_DIMENSIONS: Final = 3


def read_splits(place: Place, num_classes: int) -> Splits:
    """Both splits of gray images. Raises DataError with the file at fault."""
    train, test = (_read_split(place, *files) for files in (place.files[:2], place.files[2:]))
    return joined(train, test, num_classes, place.again)


def look(place: Place, num_classes: int) -> Contents:
    """Survey by the header of the training images and both files of labels. Raises DataError."""
    images, train_labels, _, test_labels = place.files
    header = _content(images, place.again, _header_bytes(_IMAGE_DIMENSIONS))
    _, height, width = _sizes(images, header, _IMAGE_DIMENSIONS, place.again)
    first = _first_label(place)
    read = []
    for path in (train_labels, test_labels):
        labels = bytes(_values(path, 1, place.again)[1])
        check_labels(path, labels, first, num_classes, place.again)
        read.append(bytes(label - first for label in labels) if first else labels)
    return Contents(height, width, 1, num_classes, *read)


def _read_split(place: Place, images_file: Path, labels_file: Path) -> RawSplit:
    images = read_idx(images_file, _IMAGE_DIMENSIONS, place.again)
    if place.layout == "emnist":
        images = images.swapaxes(1, 2)  # they lie on their side, mirrored
    labels = read_idx(labels_file, 1, place.again).astype("int64")
    return RawSplit(images[..., None], labels, images_file, labels_file, _first_label(place))


def _first_label(place: Place) -> int:
    return 1 if place.split == "letters" else 0


def read_idx(path: Path, dimensions: int, again: str) -> NDArray[np.uint8]:
    """The unsigned bytes of an IDX file, plain or packed. Raises DataError, with `again` as what to do."""
    import numpy as np

    sizes, values = _values(path, dimensions, again)
    return np.frombuffer(values, np.uint8).reshape(sizes)


def _values(path: Path, dimensions: int, again: str) -> tuple[tuple[int, ...], memoryview]:
    """Length in each dimension, and the bytes behind the header."""
    content = _content(path, again)
    sizes = _sizes(path, content, dimensions, again)
    start = _header_bytes(dimensions)
    expected = start + math.prod(sizes)
    if len(content) != expected:
        state = "cut short" if len(content) < expected else "too long"
        raise DataError(f"{path}: {state}: by its header it holds {expected} bytes, found {len(content)}; {again}")
    return tuple(sizes), memoryview(content)[start:]


def _header_bytes(dimensions: int) -> int:
    return 4 + 4 * dimensions


def _sizes(path: Path, content: bytes, dimensions: int, again: str) -> list[int]:
    """Length of the array in each dimension, by its header."""
    magic = bytes([0, 0, 8, dimensions])
    if content[:4] != magic:
        raise DataError(
            f"{path}: not an IDX file of bytes in {dimensions} dimension{'s' * (dimensions > 1)}: "
            f"it starts with {content[:4].hex(' ') or 'nothing'}, not {magic.hex(' ')}; {again}"
        )
    return [int.from_bytes(content[start : start + 4], "big") for start in range(4, _header_bytes(dimensions), 4)]


def _content(path: Path, again: str, size: int = -1) -> bytes:
    """The first `size` bytes of a file, or all of them, unpacked."""
    packed = path.suffix == ".gz"
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            return file.read(size)
    except (EOFError, OSError, zlib.error) as error:
        what = f"not a whole gzip file of {path.stat().st_size} bytes" if packed else "cannot be read"
        raise DataError(f"{path}: {what} ({error}); {again}") from None
