from __future__ import annotations

import gzip
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cnnjobs.components.data_places import CIFAR_BATCHES, Place
from cnnjobs.components.decoding import channel_statistics, decode, read_idx, source_files
from cnnjobs.errors import DataError

DIGITS = tuple("0123456789")
Writer = Callable[..., Path]


def failure(folder: Path, layout: str = "idx") -> str:
    with pytest.raises(DataError) as raised:
        decode(Place(folder, layout), DIGITS)  # type: ignore[arg-type]
    return str(raised.value)


def header(*sizes: int) -> bytes:
    return bytes([0, 0, 8, len(sizes)]) + b"".join(size.to_bytes(4, "big") for size in sizes)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_idx_files_are_read(tmp_path: Path, write_idx: Writer, packed: bool) -> None:
    folder = write_idx(tmp_path / "raw", packed=packed)
    data = decode(Place(folder, "idx"), DIGITS)
    assert (data.train_images.shape, data.test_images.shape) == ((20, 8, 8, 1), (10, 8, 8, 1))
    assert data.train_images.dtype == np.uint8
    assert data.train_labels.tolist() == [*range(10), *range(10)]
    assert data.test_labels.dtype == np.int64
    first = np.random.default_rng(0).integers(0, 256, (20, 8, 8)).astype(np.uint8)
    assert np.array_equal(data.train_images[..., 0], first)
    assert data.classes == DIGITS
    assert [path.name.removesuffix(".gz") for path in source_files(Place(folder, "idx"))] == [
        "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
    ]  # fmt: skip


def test_truncated_file_is_named_with_its_sizes(tmp_path: Path, write_idx: Writer) -> None:
    folder = write_idx(tmp_path / "raw", train_images_idx3_ubyte=header(20, 8, 8) + bytes(1000))
    path = folder / "train-images-idx3-ubyte"
    assert failure(folder) == f"{path}: cut short: by its header it holds 1296 bytes, found 1016; fetch it again"


def test_file_with_too_much_in_it_is_named(tmp_path: Path, write_idx: Writer) -> None:
    folder = write_idx(tmp_path / "raw", t10k_labels_idx1_ubyte=header(10) + bytes(11))
    path = folder / "t10k-labels-idx1-ubyte"
    assert failure(folder) == f"{path}: too long: by its header it holds 18 bytes, found 19; fetch it again"


def test_file_that_ends_in_its_header_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(header(20, 8, 8)[:10])
    with pytest.raises(DataError, match=r"cut short: by its header it holds \d+ bytes, found 10; fetch it again"):
        read_idx(path, 3)


@pytest.mark.parametrize(
    ("content", "start"),
    [(b"<html>", "3c 68 74 6d"), (b"", "nothing"), (header(20), "00 00 08 01")],
    ids=["a web page", "empty", "labels"],
)
def test_wrong_magic_is_told(tmp_path: Path, write_idx: Writer, content: bytes, start: str) -> None:
    folder = write_idx(tmp_path / "raw", train_images_idx3_ubyte=content)
    path = folder / "train-images-idx3-ubyte"
    what = "not an IDX file of bytes in 3 dimensions"
    assert failure(folder) == f"{path}: {what}: it starts with {start}, not 00 00 08 03; fetch it again"


def test_numbers_of_images_and_labels_must_agree(tmp_path: Path, write_idx: Writer) -> None:
    folder = write_idx(tmp_path / "raw", train_labels_idx1_ubyte=header(19) + bytes(19))
    counts = "train-images-idx3-ubyte holds 20 images, but train-labels-idx1-ubyte 19 labels"
    assert failure(folder) == f"{folder}: {counts}; fetch both again"


def test_label_out_of_range_is_told(tmp_path: Path, write_idx: Writer) -> None:
    folder = write_idx(tmp_path / "raw", t10k_labels_idx1_ubyte=header(10) + bytes([0, 1, 2, 10, 4, 5, 6, 7, 8, 9]))
    path = folder / "t10k-labels-idx1-ubyte"
    assert failure(folder) == f"{path}: label 10 of image 3; allowed: 0 to 9; fetch the file again"


def test_files_without_images_are_refused(tmp_path: Path, write_idx: Writer) -> None:
    folder = write_idx(tmp_path / "raw", t10k_images_idx3_ubyte=header(0, 8, 8), t10k_labels_idx1_ubyte=header(0))
    assert failure(folder) == f"{folder / 't10k-images-idx3-ubyte'}: holds no image; fetch it again"


def test_sizes_of_training_and_test_images_must_agree(tmp_path: Path, write_idx: Writer) -> None:
    folder = write_idx(tmp_path / "raw", t10k_images_idx3_ubyte=header(10, 6, 7) + bytes(420))
    sizes = "8×8 pixels in training and 7×6 in testing"
    assert failure(folder) == f"{folder}: the images have {sizes}; fetch the four files again"


def test_gzip_file_cut_short_is_named(tmp_path: Path, write_idx: Writer) -> None:
    folder = write_idx(tmp_path / "raw", packed=True)
    path = folder / "train-images-idx3-ubyte.gz"
    os.truncate(path, 500)
    why = "Compressed file ended before the end-of-stream marker was reached"
    assert failure(folder) == f"{path}: not a whole gzip file of 500 bytes ({why}); fetch it again"


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
    assert failure(folder) == (
        f"{path}: not a whole gzip file of 22 bytes (Not a gzipped file (b'<h')); fetch it again"
    )


def write_batches(folder: Path, **replaced: object) -> Path:
    folder.mkdir()
    draws = np.random.default_rng(0)
    for name in CIFAR_BATCHES:
        batch = {b"data": draws.integers(0, 256, (4, 3072), dtype=np.uint8), b"labels": [0, 9, 3, 1]}
        with (folder / name).open("wb") as file:
            pickle.dump(replaced.get(name, batch), file, protocol=2)
    return folder


def test_batches_of_cifar10_are_read(tmp_path: Path) -> None:
    folder = write_batches(tmp_path / "batches")
    data = decode(Place(folder, "cifar_batches"), DIGITS)
    assert (data.train_images.shape, data.test_images.shape) == ((20, 32, 32, 3), (4, 32, 32, 3))
    assert data.train_labels.tolist() == [0, 9, 3, 1] * 5
    row = np.random.default_rng(0).integers(0, 256, (4, 3072), dtype=np.uint8)[0]
    assert data.train_images[0, 2, 5].tolist() == [row[2 * 32 + 5], row[1024 + 2 * 32 + 5], row[2048 + 2 * 32 + 5]]


def test_batch_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    folder = write_batches(tmp_path / "batches", data_batch_2=Runs())
    why = "UnpicklingError: it asks for posix.mkdir, which no batch needs"
    assert failure(folder, "cifar_batches") == (
        f"{folder / 'data_batch_2'}: not a batch of CIFAR-10 ({why}); fetch it again"
    )
    assert not (tmp_path / "ran").exists()


def test_batch_cut_short_is_named(tmp_path: Path) -> None:
    folder = write_batches(tmp_path / "batches")
    os.truncate(folder / "data_batch_5", 1000)
    assert failure(folder, "cifar_batches").startswith(f"{folder / 'data_batch_5'}: not a batch of CIFAR-10 (")


def test_batch_of_other_images_is_named(tmp_path: Path) -> None:
    folder = write_batches(tmp_path / "batches", test_batch={b"data": np.zeros((2, 100), np.uint8), b"labels": [0, 1]})
    shapes = "its images are uint8 (2, 100), expected uint8 (2, 3072)"
    assert failure(folder, "cifar_batches") == f"{folder / 'test_batch'}: {shapes}; fetch it again"


def test_label_out_of_range_in_a_batch_is_told(tmp_path: Path) -> None:
    batch = {b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 12]}
    folder = write_batches(tmp_path / "batches", test_batch=batch)
    assert failure(folder, "cifar_batches") == (
        f"{folder / 'test_batch'}: label 12 of image 1; allowed: 0 to 9; fetch the file again"
    )


def test_statistics_are_those_of_each_channel() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3000, 4, 4, 3), dtype=np.uint8)
    images[..., 1] //= 2
    mean, std = channel_statistics(images)
    assert mean == pytest.approx((images / 255).mean(axis=(0, 1, 2)), rel=1e-12)
    assert std == pytest.approx((images / 255).std(axis=(0, 1, 2)), rel=1e-12)
