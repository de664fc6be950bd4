"""Parts of a data set: images and labels, in three splits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Split:
    """Images (N, H, W, C) uint8 and their labels (N,) int64."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, places: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        """The images (n, H, W, C) at these places."""
        return self.images[places]


class Part(Split):
    """The images at the `rows` (N,) of a memory map `whole`: copied from it when they are asked for, not before."""

    def __init__(self, whole: NDArray[np.uint8], rows: NDArray[np.int64], labels: NDArray[np.int64]) -> None:
        vars(self).update(whole=whole, rows=rows, labels=labels)

    whole: NDArray[np.uint8]
    rows: NDArray[np.int64]

    @property
    def images(self) -> NDArray[np.uint8]:
        """All of them, a copy."""
        return self.whole[self.rows]

    def take(self, places: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        """The images (n, H, W, C) at these places."""
        return self.whole[self.rows[places]]


@dataclass(frozen=True, eq=False)
class DataSet:
    """Three splits of square images; `mean` and `std` are those of each channel, of pixel values in [0, 1].

    The validation split is drawn from the training images by `split_seed`; `subset` then keeps so many of the splits
    that it names, as many of each class. Mean and std (of all training images) are the same with it. `sha256` stands
    for the content of the data set, however it is split; `notes` are what a user must know of its files. Images that
    had sizes of their own `are_fitted`: brought to one as they were decoded.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str | None = None
    notes: tuple[str, ...] = ()
    are_fitted: bool = False

    @property
    def in_channels(self) -> int:
        """1 for gray images, 3 for colour."""
        return int(self.train.take(slice(0)).shape[3])

    @property
    def image_size(self) -> int:
        """Height and width in pixels."""
        return int(self.train.take(slice(0)).shape[1])

    @property
    def num_classes(self) -> int:
        """Number of classes among the labels."""
        return len(self.classes)
