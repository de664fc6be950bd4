from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from cnnjobs.components.data.class_names import CIFAR100
from cnnjobs.components.data.decoding import decode, look
from cnnjobs.components.files.places import CIFAR_BATCHES, Place
from cnnjobs.errors import DataError

AGAIN = "fetch it again: cnnjobs fetch cifar10 --force"
DIGITS = tuple("0123456789")


def failure(folder: Path) -> str:
    with pytest.raises(DataError) as raised:
        decode(Place("cifar10", folder, "cifar10"), DIGITS)
    return str(raised.value)


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
    data = decode(Place("cifar10", folder, "cifar10"), DIGITS)
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
    assert failure(folder) == (f"{folder / 'data_batch_2'}: not a batch of CIFAR ({why}); {AGAIN}")
    assert not (tmp_path / "ran").exists()


def test_batch_cut_short_is_named(tmp_path: Path) -> None:
    folder = write_batches(tmp_path / "batches")
    os.truncate(folder / "data_batch_5", 1000)
    assert failure(folder).startswith(f"{folder / 'data_batch_5'}: not a batch of CIFAR (")


def test_batch_of_other_images_is_named(tmp_path: Path) -> None:
    folder = write_batches(tmp_path / "batches", test_batch={b"data": np.zeros((2, 100), np.uint8), b"labels": [0, 1]})
    shapes = "its images are uint8 (2, 100), expected uint8 (2, 3072)"
    assert failure(folder) == f"{folder / 'test_batch'}: {shapes}; {AGAIN}"


def test_label_out_of_range_in_a_batch_is_told(tmp_path: Path) -> None:
    batch = {b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 12]}
    folder = write_batches(tmp_path / "batches", test_batch=batch)
    assert failure(folder) == (f"{folder / 'test_batch'}: label 12 of image 1; allowed: 0 to 9; {AGAIN}")


def test_contents_are_told(tmp_path: Path) -> None:
    place = Place("cifar10", write_batches(tmp_path / "batches"), "cifar10")
    train = (5, 5, 0, 5, 0, 0, 0, 0, 0, 5)
    found = look(place, DIGITS).contents
    assert (found.height, found.width, found.channels) == (32, 32, 3)
    assert (found.train, found.test) == (train, tuple(count // 5 for count in train))


def test_fine_labels_of_cifar100_are_read(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3072), dtype=np.uint8)
    for name, labels in (("train", [99, 0, 42]), ("test", [7, 7, 8])):
        batch = {b"data": pixels, b"fine_labels": labels, b"coarse_labels": [1, 2, 3]}
        (tmp_path / name).write_bytes(pickle.dumps(batch, protocol=2))
    place = Place("cifar100", tmp_path, "cifar100")
    data = decode(place, CIFAR100)
    assert (data.train_labels.tolist(), data.test_labels.tolist()) == ([99, 0, 42], [7, 7, 8])
    assert [CIFAR100[label] for label in data.train_labels] == ["worm", "apple", "leopard"]
    assert look(place, CIFAR100).contents.test[7:9] == (2, 1)
