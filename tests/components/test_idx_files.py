from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cnnjobs.components.data.class_names import EMNIST
from cnnjobs.components.data.decoding import decode, look, source_of
from cnnjobs.components.files.idx import read_idx
from cnnjobs.components.files.places import Place
from cnnjobs.errors import DataError

AGAIN = "fetch it again: cnnjobs fetch mnist --force"
DIGITS = tuple("0123456789")
Writer = Callable[..., Path]


def place(folder: Path) -> Place:
    return Place("mnist", folder, "idx")


def failure(folder: Path) -> str:
    """Message of reading, and of looking where it looks."""
    with pytest.raises(DataError) as raised:
        decode(place(folder), DIGITS)
    return str(raised.value)


def header(*sizes: int) -> bytes:
    return bytes([0, 0, 8, len(sizes)]) + b"".join(size.to_bytes(4, "big") for size in sizes)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_idx_files_are_read(tmp_path: Path, write_idx: Writer, packed: bool) -> None:
    folder = write_idx(tmp_path / "raw", packed=packed)
    data = decode(place(folder), DIGITS)
    assert (data.train_images.shape, data.test_images.shape) == ((20, 8, 8, 1), (10, 8, 8, 1))
    assert data.train_images.dtype == np.uint8
    assert data.train_labels.tolist() == [*range(10), *range(10)]
    assert data.test_labels.dtype == np.int64
    first = np.random.default_rng(0).integers(0, 256, (20, 8, 8)).astype(np.uint8)
    assert np.array_equal(data.train_images[..., 0], first)
    assert data.classes == DIGITS
    assert [path.name.removesuffix(".gz") for path in source_of(place(folder)).files] == [
        "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
    ]  # fmt: skip


def test_truncated_file_is_named_with_its_sizes(tmp_path: Path, write_idx: Writer) -> None:
    folder = write_idx(tmp_path / "raw", train_images_idx3_ubyte=header(20, 8, 8) + bytes(1000))
    path = folder / "train-images-idx3-ubyte"
    assert failure(folder) == f"{path}: cut short: by its header it holds 1296 bytes, found 1016; {AGAIN}"


def test_file_with_too_much_in_it_is_named(tmp_path: Path, write_idx: Writer) -> None:
    folder = write_idx(tmp_path / "raw", t10k_labels_idx1_ubyte=header(10) + bytes(11))
    path = folder / "t10k-labels-idx1-ubyte"
    assert failure(folder) == f"{path}: too long: by its header it holds 18 bytes, found 19; {AGAIN}"


def test_file_that_ends_in_its_header_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(header(20, 8, 8)[:10])
    with pytest.raises(DataError, match=rf"cut short: by its header it holds \d+ bytes, found 10; {AGAIN}"):
        read_idx(path, 3, AGAIN)


@pytest.mark.parametrize(
    ("content", "start"),
    [(b"<html>", "3c 68 74 6d"), (b"", "nothing"), (header(20), "00 00 08 01")],
    ids=["a web page", "empty", "labels"],
)
def test_wrong_magic_is_told(tmp_path: Path, write_idx: Writer, content: bytes, start: str) -> None:
    folder = write_idx(tmp_path / "raw", train_images_idx3_ubyte=content)
    path = folder / "train-images-idx3-ubyte"
    what = "not an IDX file of bytes in 3 dimensions"
    assert failure(folder) == f"{path}: {what}: it starts with {start}, not 00 00 08 03; {AGAIN}"


def test_numbers_of_images_and_labels_must_agree(tmp_path: Path, write_idx: Writer) -> None:
    folder = write_idx(tmp_path / "raw", train_labels_idx1_ubyte=header(19) + bytes(19))
    counts = "train-images-idx3-ubyte holds 20 images, but train-labels-idx1-ubyte 19 labels"
    assert failure(folder) == f"{folder}: {counts}; {AGAIN}"


def test_label_out_of_range_is_told(tmp_path: Path, write_idx: Writer) -> None:
    folder = write_idx(tmp_path / "raw", t10k_labels_idx1_ubyte=header(10) + bytes([0, 1, 2, 10, 4, 5, 6, 7, 8, 9]))
    path = folder / "t10k-labels-idx1-ubyte"
    assert failure(folder) == f"{path}: label 10 of image 3; allowed: 0 to 9; {AGAIN}"


def test_files_without_images_are_refused(tmp_path: Path, write_idx: Writer) -> None:
    folder = write_idx(tmp_path / "raw", t10k_images_idx3_ubyte=header(0, 8, 8), t10k_labels_idx1_ubyte=header(0))
    assert failure(folder) == f"{folder / 't10k-images-idx3-ubyte'}: holds no image; {AGAIN}"


def test_sizes_of_training_and_test_images_must_agree(tmp_path: Path, write_idx: Writer) -> None:
    folder = write_idx(tmp_path / "raw", t10k_images_idx3_ubyte=header(10, 6, 7) + bytes(420))
    sizes = "8×8 pixels in training and 7×6 in testing"
    assert failure(folder) == f"{folder}: the images have {sizes}; {AGAIN}"


def test_gzip_file_cut_short_is_named(tmp_path: Path, write_idx: Writer) -> None:
    folder = write_idx(tmp_path / "raw", packed=True)
    path = folder / "train-images-idx3-ubyte.gz"
    os.truncate(path, 500)
    why = "Compressed file ended before the end-of-stream marker was reached"
    assert failure(folder) == f"{path}: not a whole gzip file of 500 bytes ({why}); {AGAIN}"


def test_gzip_file_with_a_wrong_byte_is_named(tmp_path: Path, write_idx: Writer) -> None:
    folder = write_idx(tmp_path / "raw", packed=True)
    path = folder / "t10k-labels-idx1-ubyte.gz"
    content = bytearray(gzip.compress(header(10) + bytes(range(10))))
    content[-8] ^= 1  # in the checksum
    path.write_bytes(content)
    assert failure(folder).startswith(f"{path}: not a whole gzip file of {len(content)} bytes (CRC check failed")


def test_web_page_in_place_of_a_gzip_file_is_named(tmp_path: Path, write_idx: Writer) -> None:
    folder = write_idx(tmp_path / "raw", packed=True)
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(b"<html>not found</html>")
    assert failure(folder) == (f"{path}: not a whole gzip file of 22 bytes (Not a gzipped file (b'<h')); {AGAIN}")


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_headers_and_labels_tell_the_contents(tmp_path: Path, write_idx: Writer, packed: bool) -> None:
    folder = write_idx(tmp_path / "raw", packed=packed)
    found = look(place(folder), DIGITS)
    contents = found.contents
    assert (contents.height, contents.width, contents.channels, found.classes) == (8, 8, 1, DIGITS)
    assert (contents.train, contents.test) == ((2,) * 10, (1,) * 10)


def test_looking_tells_a_wrong_label_too(tmp_path: Path, write_idx: Writer) -> None:
    folder = write_idx(tmp_path / "raw", t10k_labels_idx1_ubyte=header(2) + bytes([0, 10]))
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte: label 10 of image 1; allowed: 0 to 9; fetch it"):
        look(place(folder), DIGITS)


@pytest.mark.parametrize(("split", "first"), [("balanced", 0), ("letters", 1)])
def test_emnist_stands_upright_and_its_labels_start_from_zero(
    tmp_path: Path, write_idx: Writer, split: str, first: int
) -> None:
    folder = write_idx(tmp_path / "EMNIST" / "raw", emnist_split=split, first_label=first)
    emnist = Place("emnist", folder, "emnist", split)
    data = decode(emnist, EMNIST[split])
    drawn = np.random.default_rng(0).integers(0, 256, (20, 8, 8)).astype(np.uint8)
    assert np.array_equal(data.train_images[..., 0], drawn.transpose(0, 2, 1))
    assert data.train_labels.tolist() == [*range(10), *range(10)]
    assert look(emnist, EMNIST[split]).contents.train[:11] == (2,) * 10 + (0,)
    assert [path.name for path in source_of(emnist).files][2] == f"emnist-{split}-test-images-idx3-ubyte"
