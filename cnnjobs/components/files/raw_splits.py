"""What the files of a split hold, and whether images and labels can be what the data set says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cnnjobs.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Splits = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Contents:
    """What headers and labels tell: pixels, channels, and the label of each image (N,), from 0 on, of both splits."""

    height: int
    width: int
    channels: int
    num_classes: int
    train_labels: NDArray[np.int64]
    test_labels: NDArray[np.int64]

    @property
    def train(self) -> tuple[int, ...]:
        """How many training images each class has."""
        return class_counts(self.train_labels, self.num_classes)

    @property
    def test(self) -> tuple[int, ...]:
        """How many test images each class has."""
        return class_counts(self.test_labels, self.num_classes)


@dataclass(frozen=True, eq=False)
class RawSplit:
    """Images (N, H, W, C) uint8 and labels (N,) as their files hold them; the first class is `first_label`."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    images_file: Path
    labels_file: Path
    first_label: int = 0

    def check(self, num_classes: int, again: str) -> None:
        """Raises DataError, with `again` as what to do, when the two do not fit each other or the classes."""
        if len(self.images) != len(self.labels):
            labels = f"{self.labels_file.name} {len(self.labels)} labels"
            found = f"{self.images_file.name} holds {len(self.images)} images, but {labels}"
            raise DataError(f"{self.images_file.parent}: {found}; {again}")
        if not self.images.size:
            raise DataError(f"{self.images_file}: holds no image; {again}")
        check_labels(self.labels_file, self.labels, self.first_label, num_classes, again)


def check_labels(path: Path, labels: NDArray[np.int64], first: int, num_classes: int, again: str) -> None:
    """Raises DataError when a label is none of `num_classes` from `first` on."""
    wrong = (labels < first) | (labels >= first + num_classes)
    if wrong.any():
        index, allowed = int(wrong.argmax()), f"{first} to {first + num_classes - 1}"
        raise DataError(f"{path}: label {labels[index]} of image {index}; allowed: {allowed}; {again}")


def joined(train: RawSplit, test: RawSplit, num_classes: int, again: str) -> Splits:
    """Both splits, checked, with labels from 0 on. Raises DataError."""
    for split in (train, test):
        split.check(num_classes, again)
    (height, width), (test_height, test_width) = train.images.shape[1:3], test.images.shape[1:3]
    if (height, width) != (test_height, test_width):
        found = f"{width}×{height} pixels in training and {test_width}×{test_height} in testing"
        raise DataError(f"{train.images_file.parent}: the images have {found}; {again}")
    return train.images, train.labels - train.first_label, test.images, test.labels - test.first_label


def class_counts(labels: NDArray[np.int64], num_classes: int) -> tuple[int, ...]:
    """How many labels (N,) there are of each class."""
    import numpy as np

    return tuple(map(int, np.bincount(labels, minlength=num_classes)))
