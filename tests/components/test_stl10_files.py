from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from cnnjobs.components.data.class_names import STL10
from cnnjobs.components.data.decoding import decode, look
from cnnjobs.components.files.places import Place
from cnnjobs.errors import DataError

AGAIN = "fetch it again: cnnjobs fetch stl10 --force"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Files of 11 + 10 images; pixel (row, column) of plane p is 100 p + row / 2 + column / 4, whole numbers."""
    planes, rows, columns = np.ogrid[:3, :96, :96]
    image = (60 * planes + rows // 2 + columns // 4).astype(np.uint8)
    for split, count in (("train", 11), ("test", 10)):
        images = np.stack([np.roll(image, number, axis=1) for number in range(count)])
        images.transpose(0, 1, 3, 2).tofile(tmp_path / f"{split}_X.bin")  # column by column
        (np.arange(count) % 10 + 1).astype(np.uint8).tofile(tmp_path / f"{split}_y.bin")
    return Place("stl10", tmp_path, "stl10")


def failure(place: Place) -> str:
    with pytest.raises(DataError) as raised:
        decode(place, STL10)
    return str(raised.value)


def test_columns_and_planes_become_images(place: Place) -> None:
    data = decode(place, STL10)
    assert (data.train_images.shape, data.test_images.shape) == ((11, 96, 96, 3), (10, 96, 96, 3))
    assert data.train_images[0, 10, 4].tolist() == [6, 66, 126]
    assert data.train_images[1, 11, 4].tolist() == [6, 66, 126]
    assert data.train_labels.tolist() == [*range(10), 0]


def test_contents_are_told(place: Place) -> None:
    found = look(place, STL10).contents
    assert (found.height, found.width, found.channels) == (96, 96, 3)
    assert (found.train, found.test) == ((2, *[1] * 9), (1,) * 10)


def test_file_cut_short_is_named(place: Place) -> None:
    os.truncate(place.files[0], 27648 * 3 + 5)
    told = f"{place.files[0]}: cut short: 82949 bytes are no whole number of images of 27648; {AGAIN}"
    assert failure(place) == told
    with pytest.raises(DataError, match="cut short"):
        look(place, STL10)
    os.truncate(place.files[0], 27648 * 3)
    assert failure(place) == f"{place.path}: train_X.bin holds 3 images, but train_y.bin 11 labels; {AGAIN}"


def test_image_without_a_label_is_refused(place: Place) -> None:
    place.files[3].write_bytes(bytes([1, 0] * 5))
    assert failure(place) == f"{place.files[3]}: label 0 of image 1; allowed: 1 to 10; {AGAIN}"
