from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from cnnjobs.components.data.class_names import DIGITS
from cnnjobs.components.data.decoding import decode, look
from cnnjobs.components.files.places import Place
from cnnjobs.errors import DataError

AGAIN = "fetch it again: cnnjobs fetch svhn --force"
HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"


def element(kind: int, content: bytes) -> bytes:
    if len(content) <= 4:  # within the tag
        return struct.pack("<HH", kind, len(content)) + content.ljust(4, b"\0")
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(name: str, values: np.ndarray, kind: int, packed: bool) -> bytes:
    """An array as MATLAB writes it: its class, sizes, name and values, the first index running fastest."""
    parts = [
        element(6, struct.pack("<II", 9, 0)),
        element(5, struct.pack(f"<{values.ndim}i", *values.shape)),
        element(1, name.encode()),
        element(kind, values.tobytes(order="F")),
    ]
    whole = element(14, b"".join(parts))
    packed_whole = zlib.compress(whole)
    return struct.pack("<II", 15, len(packed_whole)) + packed_whole if packed else whole


def write(path: Path, count: int, packed: bool = True, **replaced: np.ndarray) -> np.ndarray:
    """A file of digits 1, 2, ..., 10 (0), 1, ...; returns its images (H, W, C, N)."""
    images = np.random.default_rng(count).integers(0, 256, (32, 32, 3, count), dtype=np.uint8)
    labels = replaced.get("y", (np.arange(count) % 10 + 1)[:, None].astype(np.uint8))
    arrays = matrix("X", replaced.get("X", images), 2, packed) + matrix("y", labels, 2, packed)
    path.write_bytes(HEADER + element(5, bytes(16)) + arrays)
    return images


@pytest.fixture
def place(tmp_path: Path) -> Place:
    write(tmp_path / "train_32x32.mat", 21)
    write(tmp_path / "test_32x32.mat", 10)
    return Place("svhn", tmp_path, "svhn")


def failure(place: Place) -> str:
    with pytest.raises(DataError) as raised:
        decode(place, DIGITS)
    return str(raised.value)


@pytest.mark.parametrize("packed", [True, False])
def test_arrays_become_images_and_the_class_of_a_digit_is_the_digit(place: Place, packed: bool) -> None:
    images = write(place.files[0], 21, packed)
    data = decode(place, DIGITS)
    assert np.array_equal(data.train_images, images.transpose(3, 0, 1, 2))
    assert data.train_labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0] * 2 + [1]
    assert data.test_images.shape == (10, 32, 32, 3)
    assert data.test_labels.dtype == np.int64


@pytest.mark.parametrize("packed", [True, False])
def test_contents_are_told(place: Place, packed: bool) -> None:
    write(place.files[0], 21, packed)
    found = look(place, DIGITS).contents
    assert (found.height, found.width, found.channels) == (32, 32, 3)
    assert (found.train, found.test) == ((2, 3, *[2] * 8), (1,) * 10)


def test_looking_reads_no_image(place: Place) -> None:
    content = bytearray(place.files[0].read_bytes())
    content[30_000:31_000] = bytes(1000)
    place.files[0].write_bytes(content)
    assert look(place, DIGITS).contents.train[:2] == (2, 3)
    assert failure(place).startswith(f"{place.files[0]}: not a MATLAB file of version 5 (Error -3")


@pytest.mark.parametrize("packed", [True, False])
def test_files_of_scipy_are_read(place: Place, packed: bool) -> None:
    scipy_io = pytest.importorskip("scipy.io")
    images = np.random.default_rng(1).integers(0, 256, (32, 32, 3, 12), dtype=np.uint8)
    labels = np.array([[10.0], [1.0]] * 6)
    scipy_io.savemat(place.files[0], {"X": images, "y": labels}, do_compression=packed)
    data = decode(place, DIGITS)
    assert np.array_equal(data.train_images, images.transpose(3, 0, 1, 2))
    assert data.train_labels.tolist() == [0, 1] * 6
    assert look(place, DIGITS).contents.train == (6, 6, *[0] * 8)


def test_file_cut_short_is_named(place: Place) -> None:
    path = place.files[0]
    os.truncate(path, path.stat().st_size // 2)
    assert failure(place) == (
        f"{path}: expected images X (32, 32, 3, N) and labels y (N, 1), found X (32, 32, 3, 21); {AGAIN}"
    )


def test_array_cut_short_is_named(place: Place) -> None:
    write(place.files[1], 10, packed=False)
    content = place.files[1].read_bytes()
    start = content.index(b"y\0\0\0")
    place.files[1].write_bytes(content[: start + 8] + content[start + 8 :][:12])
    assert failure(place) == f"{place.files[1]}: `y` is cut short: 8 of 10 bytes; {AGAIN}"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<html>not found</html>", "it starts with b'<html>not '"),
        (b"", "it starts with b''"),
        (HEADER + struct.pack("<II", 15, 30) + bytes(30), "Error -3 while decompressing data"),
    ],
    ids=["a web page", "empty", "damaged"],
)
def test_other_files_are_named(place: Place, content: bytes, why: str) -> None:
    place.files[0].write_bytes(content)
    told = failure(place)
    assert told.startswith(f"{place.files[0]}: not a MATLAB file of version 5 ({why}")
    assert told.endswith(f"); {AGAIN}")


def test_label_that_is_no_digit_is_told(place: Place) -> None:
    write(place.files[1], 3, y=np.array([[1], [0], [2]], np.uint8))
    assert failure(place) == f"{place.files[1]}: label 0 of image 1; allowed: 1 to 10; {AGAIN}"


def test_numbers_of_images_and_labels_must_agree(place: Place) -> None:
    write(place.files[1], 3, y=np.array([[1], [2]], np.uint8))
    counts = "test_32x32.mat holds 3 images, but test_32x32.mat 2 labels"
    assert failure(place) == f"{place.path}: {counts}; {AGAIN}"
