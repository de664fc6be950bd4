"""The Python batches of CIFAR-10 and CIFAR-100 -> arrays (https://www.cs.toronto.edu/~kriz/cifar.html)."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cnnjobs.components.files.places import Place
from cnnjobs.components.files.raw_splits import Contents, RawSplit, joined
from cnnjobs.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cnnjobs.components.files.raw_splits import Splits

_IMAGE: Final = (3, 32, 32)
_LABELS: Final = {"cifar10": b"labels", "cifar100": b"fine_labels"}


def read_splits(place: Place, num_classes: int) -> Splits:
    """Both splits of colour images. Raises DataError with the file at fault."""
    import numpy as np

    train, test = _batches(place, num_classes)
    images = np.concatenate([batch.images for batch in train])
    labels = np.concatenate([batch.labels for batch in train])
    return joined(RawSplit(images, labels, place.files[0], place.files[0]), test, num_classes, place.again)


def look(place: Place, num_classes: int) -> Contents:
    """Content of the batches; they have no headers, so that all are read. Raises DataError."""
    import numpy as np

    train, test = _batches(place, num_classes)
    labels = np.concatenate([batch.labels for batch in train])
    return Contents(*_IMAGE[1:], _IMAGE[0], num_classes, labels, test.labels)


def _batches(place: Place, num_classes: int) -> tuple[Sequence[RawSplit], RawSplit]:
    batches = [_read_batch(path, _LABELS[place.layout], place.again) for path in place.files]
    for batch in batches:
        batch.check(num_classes, place.again)
    return batches[:-1], batches[-1]


def _read_batch(path: Path, labels_key: bytes, again: str) -> RawSplit:
    """One batch file: rows of 3072 bytes, planes of red, green and blue."""
    import numpy as np

    try:
        with path.open("rb") as file:
            batch = _ArrayUnpickler(file, encoding="bytes").load()
        rows, labels = batch[b"data"], np.asarray(batch[labels_key], dtype=np.int64)
    except Exception as error:  # a damaged pickle may raise anything
        raise DataError(f"{path}: not a batch of CIFAR ({type(error).__name__}: {error}); {again}") from None
    return RawSplit(_images(path, rows, len(labels), again), labels, path, path)


def _images(path: Path, rows: Any, number: int, again: str) -> NDArray[np.uint8]:
    """Rows (N, 3072) -> images (N, 32, 32, 3), a view."""
    import numpy as np

    expected = (number, int(np.prod(_IMAGE)))
    if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8 or rows.shape != expected:
        found = f"{rows.dtype} {rows.shape}" if isinstance(rows, np.ndarray) else type(rows).__name__
        raise DataError(f"{path}: its images are {found}, expected uint8 {expected}; {again}")
    return rows.reshape(-1, *_IMAGE).transpose(0, 2, 3, 1)  # (N, 3, H, W) -> (N, H, W, 3)


class _ArrayUnpickler(pickle.Unpickler):
    """Loads arrays, lists and bytes, and refuses everything else that a pickle could run."""

    def find_class(self, module: str, name: str) -> Any:
        """Only what an array of numbers is made of."""
        import _codecs

        import numpy as np

        allowed = {
            ("multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("_codecs", "encode"): _codecs.encode,
        }
        key = (module.rpartition(".")[2], name)
        if key not in allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no batch needs")
        return allowed[key]
