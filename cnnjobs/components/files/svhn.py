"""The MATLAB files of SVHN -> arrays (http://ufldl.stanford.edu/housenumbers/, format 2).

MATLAB's file format 5 is told in "MAT-File Format" by MathWorks; of it, arrays of numbers are read here, packed or not.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from cnnjobs.components.files.places import Place
from cnnjobs.components.files.raw_splits import Contents, RawSplit, check_labels, joined
from cnnjobs.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cnnjobs.components.files.raw_splits import Splits

_HEADER_BYTES: Final = 128
_MATRIX, _PACKED = 14, 15
_NUMBERS: Final = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
# More than the sizes and the name of an array take up.
_START_BYTES: Final = 512
# Digits are labelled 1 to 9, and 10 for 0.
_FIRST_LABEL: Final = 1


@dataclass(frozen=True)
class _Array:
    """One array of a file: its name, sizes, and the bytes after them, of which there may be fewer than all."""

    name: str
    sizes: tuple[int, ...]
    kind: int
    values: memoryview


def read_splits(place: Place, num_classes: int) -> Splits:
    """Both splits of colour images; the class of a digit is the digit. Raises DataError with the file at fault."""
    train, test = (_read_split(path, place.again) for path in place.files)
    images, labels, test_images, test_labels = joined(train, test, num_classes, place.again)
    return images, (labels + _FIRST_LABEL) % num_classes, test_images, (test_labels + _FIRST_LABEL) % num_classes


def look(place: Place, num_classes: int) -> Contents:
    """Survey by the sizes of the images and the labels. Raises DataError."""
    read = []
    for path in place.files:
        arrays = _arrays(path, place.again, whole=("y",))
        labels = _labels(path, arrays["y"], place.again)
        check_labels(path, labels, _FIRST_LABEL, num_classes, place.again)
        read.append(labels % num_classes)
    height, width, channels, _ = arrays["X"].sizes
    return Contents(height, width, channels, num_classes, *read)


def _read_split(path: Path, again: str) -> RawSplit:
    import numpy as np

    arrays = _arrays(path, again, whole=("X", "y"))
    values = _values(path, arrays["X"], again)
    if values.dtype != np.uint8:
        raise DataError(f"{path}: its images are {values.dtype}, expected uint8; {again}")
    # The first index runs fastest: (H, W, 3, N) lies as (N, 3, W, H).
    images = values.astype(np.uint8, copy=False).reshape(arrays["X"].sizes[::-1]).transpose(0, 3, 2, 1)
    return RawSplit(images, _labels(path, arrays["y"], again), path, path, _FIRST_LABEL)


def _labels(path: Path, array: _Array, again: str) -> NDArray[np.int64]:
    return _values(path, array, again).astype("int64")


def _values(path: Path, array: _Array, again: str) -> NDArray[np.generic]:
    import numpy as np

    dtype = np.dtype(_NUMBERS[array.kind])
    expected, found = math.prod(array.sizes) * dtype.itemsize, len(array.values)
    if found < expected:
        raise DataError(f"{path}: `{array.name}` is cut short: {found} of {expected} bytes; {again}")
    return np.frombuffer(array.values[:expected], dtype)


def _arrays(path: Path, again: str, whole: tuple[str, ...]) -> dict[str, _Array]:
    """The arrays `X` and `y`, those in `whole` with all of their values. Raises DataError."""
    try:
        with path.open("rb") as file:
            found = {array.name: array for array in _read(file, whole)}
    except (OSError, ValueError, LookupError, struct.error, zlib.error) as error:
        raise DataError(f"{path}: not a MATLAB file of version 5 ({error}); {again}") from None
    for name, dimensions in (("X", 4), ("y", 2)):
        if name not in found or len(found[name].sizes) != dimensions or found[name].kind not in _NUMBERS:
            held = ", ".join(f"{array.name} {array.sizes}" for array in found.values()) or "nothing"
            raise DataError(f"{path}: expected images X (32, 32, 3, N) and labels y (N, 1), found {held}; {again}")
    return found


def _read(file: BinaryIO, whole: tuple[str, ...]) -> Iterator[_Array]:
    """The arrays of a file one after the other, packed ones unpacked."""
    header = file.read(_HEADER_BYTES)
    if not header.startswith(b"MATLAB 5.0") or header[126:128] != b"IM":
        raise ValueError(f"it starts with {header[:10]!r}")
    while tag := file.read(8):
        kind, size = struct.unpack("<II", tag)
        start = file.tell()
        content = _content(file, kind, min(size, _START_BYTES), _START_BYTES)
        name = _array(content).name if content else ""
        if name in whole:
            file.seek(start)
            content = _content(file, kind, size, 0)
        if content:
            yield _array(content)
        file.seek(start + size)


def _content(file: BinaryIO, kind: int, size: int, most: int) -> bytes:
    """An array's element without its tag, at most so many bytes, or all of it (0); of other elements nothing."""
    content = file.read(size)
    if kind == _PACKED:
        content = zlib.decompressobj().decompress(content, most)
        kind, content = struct.unpack_from("<I", content)[0], content[8:]
    return content if kind == _MATRIX else b""


def _array(content: bytes) -> _Array:
    view = memoryview(content)
    _, _, after_flags = _element(view)
    _, sizes, after_sizes = _element(after_flags)
    _, name, after_name = _element(after_sizes)
    kind, values, _ = _element(after_name)
    return _Array(bytes(name).decode("ascii"), tuple(sizes.cast("i")), kind, values)


def _element(view: memoryview) -> tuple[int, memoryview, memoryview]:
    """The kind of a part, its bytes, and what follows it; up to four bytes stand within the tag itself."""
    kind, size = struct.unpack_from("<II", view)
    if kind >> 16:
        kind, size = kind & 0xFFFF, kind >> 16
        return kind, view[4 : 4 + size], view[8:]
    return kind, view[8 : 8 + size], view[8 + size + -size % 8 :]
