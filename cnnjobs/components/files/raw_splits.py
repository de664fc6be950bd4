"""Raw files of a split, and checks that images and labels can be those of the data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cnnjobs.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    # One byte an image where the files hold it so: a plan reads labels without NumPy.
    Labels = bytes | NDArray[np.int64]
    Splits = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Contents:
    """Headers and labels: pixels, channels, and the label of each image (N,), from 0 on, of both splits.

    Where images have sizes of their own, `height` and `width` are the smallest of them, and `largest` (height, width)
    the largest. The last `held_out` training images are the user's own for validation; without a label the test images
    are drawn from the training images.
    """

    height: int
    width: int
    channels: int
    num_classes: int
    train_labels: Labels
    test_labels: Labels
    largest: tuple[int, int] | None = field(default=None, kw_only=True)
    held_out: int = field(default=0, kw_only=True)

    @property
    def needs_fitting(self) -> bool:
        """True if images have to be brought to one square size before a network can see them."""
        return self.largest is not None or self.height != self.width

    @property
    def train(self) -> tuple[int, ...]:
        """Number of training images of each class, without the user's own for validation."""
        return class_counts(self.train_labels[: len(self.train_labels) - self.held_out], self.num_classes)

    @property
    def test(self) -> tuple[int, ...]:
        """Number of test images of each class."""
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


def check_labels(path: Path, labels: Labels, first: int, num_classes: int, again: str) -> None:
    """Raises DataError when a label is none of `num_classes` from `first` on."""
    last = first + num_classes - 1
    if len(labels) and not (first <= min(labels) and max(labels) <= last):
        index = next(place for place, label in enumerate(labels) if not first <= label <= last)
        raise DataError(f"{path}: label {labels[index]} of image {index}; allowed: {first} to {last}; {again}")


def joined(train: RawSplit, test: RawSplit, num_classes: int, again: str) -> Splits:
    """Both splits, checked, with labels from 0 on. Raises DataError."""
    for split in (train, test):
        split.check(num_classes, again)
    (height, width), (test_height, test_width) = train.images.shape[1:3], test.images.shape[1:3]
    if (height, width) != (test_height, test_width):
        found = f"{width}×{height} pixels in training and {test_width}×{test_height} in testing"
        raise DataError(f"{train.images_file.parent}: the images have {found}; {again}")
    return train.images, train.labels - train.first_label, test.images, test.labels - test.first_label


def class_counts(labels: Labels, num_classes: int) -> tuple[int, ...]:
    """Number of labels (N,) of each class."""
    if isinstance(labels, bytes):
        return tuple(map(labels.count, range(num_classes)))
    import numpy as np

    return tuple(map(int, np.bincount(labels, minlength=num_classes)))
