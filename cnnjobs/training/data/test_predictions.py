"""Predictions of a finished run for each test image, kept to compare networks without the data.

Reports read it: nothing here loads torch.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnjobs.disk.files import NO_FILE
from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.system.opening import read_bytes


@dataclass(frozen=True, eq=False)
class Outcome:
    """Of each test image, in the order of the split: `labels` (N,), `predicted` (N,) and its probability (N,)."""

    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float32]

    @property
    def right(self) -> NDArray[np.bool_]:
        """True if each image (N,) was told right."""
        return np.equal(self.labels, self.predicted)


def outcome_to_bytes(outcome: Outcome) -> bytes:
    """The outcome as a .npz file, the same bytes for the same values."""
    classes = np.min_scalar_type(max(outcome.labels.max(), outcome.predicted.max()))
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        labels=outcome.labels.astype(classes),
        predicted=outcome.predicted.astype(classes),
        confidence=outcome.confidence.astype(np.float32),
    )
    return buffer.getvalue()


def read_outcome(folder: RunFolder) -> Outcome | None:
    """Read a run's predictions for its test images; None where it has none. Raises ValueError for a damaged file."""
    folder = folder.results
    try:
        content = read_bytes(folder.predictions_file)
    except FileNotFoundError:
        return None
    except NO_FILE as error:
        raise ValueError(f"{folder.predictions_file}: damaged ({error.strerror})") from error
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as kept:
            labels, predicted = (kept[name].astype(np.int64) for name in ("labels", "predicted"))
            return Outcome(labels, predicted, kept["confidence"])
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{folder.predictions_file}: damaged ({error})") from error
