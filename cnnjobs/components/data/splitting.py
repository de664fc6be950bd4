"""Division of a data set into training, validation and test images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from cnnjobs.errors import DataError, concerning

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cnnjobs.components.files.raw_splits import Labels

    Rows = NDArray[np.int64]

SplitName = Literal["train", "validation", "test"]
Subset = int | Mapping[SplitName, int] | None
# Streams of their own: validation images are the same with every subset and without one.
_STREAMS: Final[Mapping[SplitName, int]] = {"train": 1, "validation": 2, "test": 3}
_TEST_STREAM: Final = 4
_VALIDATION_STREAM: Final = 5
TEST_SHARE: Final = 0.2
_BESIDE: Final[Mapping[SplitName, str]] = {
    "train": "training images beside the validation split", "validation": "validation images", "test": "test images",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Drawn:
    """The rows (N,) of each split, `train` and `validation` of the training images, `test` of the test images.

    `test` may be `of_train`, too.
    """

    train: Rows
    validation: Rows
    test: Rows
    of_train: bool = False


def draw_splits(
    train_labels: NDArray[np.int64],
    test_labels: NDArray[np.int64],
    classes: Sequence[str],
    *,
    validation: float,
    split_seed: int,
    subset: Subset,
    held_out: int = 0,
) -> Drawn:
    """The images that a run has, by the options of its data set. Raises DataError when they cannot be had.

    The last `held_out` training images are the validation split; without test images they are drawn from the others.
    """
    of_train = not len(test_labels)
    rows = _whole_splits(train_labels, test_labels, validation, split_seed, held_out)
    for name, size in sizes_of(subset).items():
        labels = test_labels if name == "test" and not of_train else train_labels
        told = f"subset {size}" if isinstance(subset, int) else f"subset.{name} {size}"
        with concerning("dataset.subset"):
            if not len(rows[name]):
                raise DataError(f"{told}: there are no {_BESIDE[name]}; leave it out")
            rows[name] = draw_subset(labels, rows[name], classes, size, split_seed, split=name, told=told)
    return Drawn(**rows, of_train=of_train)


def _whole_splits(
    train_labels: Rows, test_labels: Rows, validation: float, seed: int, held_out: int
) -> dict[SplitName, Rows]:
    import numpy as np

    own = len(train_labels) - held_out
    left, test = np.arange(own), np.arange(len(test_labels))
    if not len(test_labels):
        test = draw_by_class(train_labels[:own], left, TEST_SHARE, [seed, _TEST_STREAM], at_least=1)
        left = np.setdiff1d(left, test)
    if held_out:
        return {"train": left, "validation": np.arange(own, own + (held_out if validation else 0)), "test": test}
    with concerning("dataset.validation"):
        if len(test_labels):
            train, drawn = draw_validation(train_labels, validation, seed)
        else:
            validation_size(len(left), validation)
            drawn = draw_by_class(train_labels, left, validation, [seed, _VALIDATION_STREAM])
            train = np.setdiff1d(left, drawn)
    return {"train": train, "validation": drawn, "test": test}


def draw_by_class(
    labels: NDArray[np.int64], rows: Rows, share: float, seed: Sequence[int], *, at_least: int = 0
) -> Rows:
    """Draw a share of the rows, in all and of each class as far as numbers allow; of two and more `at_least` so many.

    Raises DataError when nothing can be drawn, though something must.
    """
    import numpy as np

    order = np.random.RandomState(np.random.MT19937(list(seed))).permutation(rows)
    places = np.empty(len(order))
    for label in np.unique(labels[rows]):
        of_class = labels[order] == label
        number = int(of_class.sum())
        places[of_class] = (np.arange(number) + 0.5) / number
        if number > at_least:
            places[np.flatnonzero(of_class)[:at_least]] = 0
        elif at_least:
            places[of_class] = 1
    size = max(round(share * len(rows)), int((places == 0).sum()))
    if at_least and not (places == 0).any():
        raise DataError("no class has two images: no test images can be drawn; make train and test")
    return np.sort(order[np.argsort(places, kind="stable")[: min(size, int((places < 1).sum()))]])


def split_sizes(
    train_labels: Labels,
    test_labels: Labels,
    classes: Sequence[str],
    *,
    validation: float,
    split_seed: int,
    subset: Subset,
    held_out: int = 0,
) -> dict[SplitName, int]:
    """Number of images that `draw_splits` gives each split; nothing is drawn where they follow from shares alone.

    Raises DataError.
    """
    if sizes_of(subset) or held_out or not len(test_labels):
        drawn = draw_splits(
            as_array(train_labels), as_array(test_labels), classes,
            validation=validation, split_seed=split_seed, subset=subset, held_out=held_out,
        )  # fmt: skip
        return {"train": len(drawn.train), "validation": len(drawn.validation), "test": len(drawn.test)}
    with concerning("dataset.validation"):
        size = validation_size(len(train_labels), validation)
    return {"train": len(train_labels) - size, "validation": size, "test": len(test_labels)}


def as_array(labels: Labels) -> NDArray[np.int64]:
    """Labels (N,), one byte each where they have been read so."""
    import numpy as np

    return np.frombuffer(labels, np.uint8).astype(np.int64) if isinstance(labels, bytes) else labels


def sizes_of(subset: Subset) -> dict[SplitName, int]:
    """Number of images of each split: a plain number is that of the training images."""
    if isinstance(subset, Mapping):
        return dict(subset)
    return {} if subset is None else {"train": subset}


def validation_size(total: int, validation: float) -> int:
    """Number of training images that become the validation split, none for 0.

    Raises DataError when one of the two would be empty all the same.
    """
    size = round(total * validation)
    if validation and not 0 < size < total:
        found = f"validation {validation:g} takes {size} of {total} training images"
        none = ", or write validation: 0 to train on all images and have none" if size == 0 else ""
        raise DataError(f"{found}; training and validation need at least one each{none}")
    return size


def draw_validation(labels: NDArray[np.int64], validation: float, seed: int) -> tuple[Rows, Rows]:
    """Draw a share of the images for validation, none for 0: the rows that are left for training, and those drawn.

    Raises DataError when one of the two would be empty all the same.
    """
    import numpy as np

    total = len(labels)
    size = validation_size(total, validation)
    if not size:
        return np.arange(total), np.arange(0)
    # RandomState is frozen: the same split with every version of NumPy.
    order = np.random.RandomState(np.random.MT19937(seed)).permutation(total)
    return np.sort(order[size:]), np.sort(order[:size])


def draw_subset(
    labels: NDArray[np.int64],
    rows: Rows,
    classes: Sequence[str],
    subset: int,
    seed: int,
    *,
    split: SplitName = "train",
    told: str = "",
) -> Rows:
    """Draw `subset` of the rows, as many of each class to within one; a smaller subset lies within a larger one.

    Raises DataError, with `told` for what was asked, when the classes cannot be had so evenly.
    """
    import numpy as np

    told = told or f"subset {subset}"
    if subset < len(classes):
        found = f"{told} is less than one image for each of {len(classes)} classes"
        raise DataError(f"{found}; give at least {len(classes)}")
    counts = np.bincount(labels[rows], minlength=len(classes))
    rarest = int(counts.argmin())
    most = int(np.minimum(counts, counts[rarest] + 1).sum())
    if subset > most:
        left = f"of {len(rows)} {_BESIDE[split]}, {counts[rarest]} are of class"
        remedy = f"give at most {most}, or leave subset out for all" if counts[rarest] else "leave subset out"
        raise DataError(f"{told} has as many images of each class, but {left} `{classes[rarest]}`; {remedy}")
    draws = np.random.RandomState(np.random.MT19937([seed, _STREAMS[split]]))
    order, turns = draws.permutation(rows), draws.permutation(len(classes))
    rounds = np.empty(len(order), np.int64)
    for label in range(len(classes)):
        of_class = labels[order] == label
        rounds[of_class] = np.arange(of_class.sum())
    # The classes take turns, one image each.
    return np.sort(order[np.lexsort((turns[labels[order]], rounds))[:subset]])
