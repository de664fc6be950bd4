"""Which of the training images a run is trained on, and which it is validated on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnjobs.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]


def draw_validation(labels: NDArray[np.int64], validation: float, seed: int) -> tuple[Rows, Rows]:
    """Draw a share of the images for validation: the rows that are left for training, and those drawn.

    Raises DataError when one of the two would be empty.
    """
    import numpy as np

    total = len(labels)
    size = round(total * validation)
    if not 0 < size < total:
        found = f"validation {validation:g} takes {size} of {total} training images"
        raise DataError(f"{found}; training and validation need at least one each")
    # RandomState is frozen: the same split with every version of NumPy.
    order = np.random.RandomState(np.random.MT19937(seed)).permutation(total)
    return np.sort(order[size:]), np.sort(order[:size])


def draw_subset(labels: NDArray[np.int64], rows: Rows, classes: Sequence[str], subset: int, seed: int) -> Rows:
    """Draw `subset` of the rows, as many of each class to within one; a smaller subset lies within a larger one.

    Raises DataError when the classes cannot be had so evenly.
    """
    import numpy as np

    if subset < len(classes):
        found = f"subset {subset} is less than one image for each of {len(classes)} classes"
        raise DataError(f"{found}; give at least {len(classes)}")
    counts = np.bincount(labels[rows], minlength=len(classes))
    rarest = int(counts.argmin())
    most = int(np.minimum(counts, counts[rarest] + 1).sum())
    if subset > most:
        left = f"of {len(rows)} training images beside the validation split, {counts[rarest]} are of class"
        remedy = f"give at most {most}, or leave subset out for all" if counts[rarest] else "leave subset out"
        raise DataError(f"subset {subset} has as many images of each class, but {left} `{classes[rarest]}`; {remedy}")
    # A stream of its own: validation images are the same with every subset and without one.
    draws = np.random.RandomState(np.random.MT19937([seed, 1]))
    order, turns = draws.permutation(rows), draws.permutation(len(classes))
    rounds = np.empty(len(order), np.int64)
    for label in range(len(classes)):
        of_class = labels[order] == label
        rounds[of_class] = np.arange(of_class.sum())
    # The classes take turns, one image each.
    return np.sort(order[np.lexsort((turns[labels[order]], rounds))[:subset]])
