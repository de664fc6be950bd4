"""Calibration: confidence of a network against its accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cnnjobs.figures.drawing.figure import Drawing, file_name
from cnnjobs.figures.methods.calibration import BINS, Calibration, calibration, confidence_at, fit_temperature
from cnnjobs.figures.methods.score_charts import reliability_chart
from cnnjobs.figures.network.predictions import find_logits, find_outcome
from cnnjobs.figures.network.subject import Progress, Subject
from cnnjobs.registry import register


@register("figure", "calibration")
def draw_calibration(
    subject: Subject,
    progress: Progress,
    *,
    split: Literal["train", "validation", "test"] = "test",
    temperature: bool = False,
) -> Iterator[Drawing]:
    """Accuracy over confidence, and the expected calibration error; on request with a temperature from validation."""
    if temperature:
        fitted = fit_temperature(*find_logits(subject, "validation", progress))
        logits, labels = find_logits(subject, split, progress)
        confidence, right = confidence_at(logits, 1), logits.argmax(axis=1) == labels
        mended = calibration(confidence_at(logits, fitted), right)
    else:
        outcome = find_outcome(subject, split, progress)
        confidence, right, fitted, mended = outcome.confidence.astype(np.float64), outcome.right, None, None
    found = calibration(confidence, right)
    title = f"Calibration on {len(right):,} {split} images: ECE {found.error:.2%}"
    about = (
        f"{right.mean():.1%} are right and the mean confidence is {confidence.mean():.1%}; the expected calibration"
        f" error (ECE) is over {BINS} equal bins of the confidence"
    )
    if mended is not None:
        title += f", with temperature {mended.error:.2%}"
        about += f", and the temperature, fitted on validation images, is {fitted:.3f}"
    yield Drawing(
        name=file_name("calibration", split, *["temperature"] * temperature),
        figure=reliability_chart(found, mended, title, split),
        caption=f"{title}, of {subject.name}: {about}.",
        data=_data(found, "") | ({} if mended is None else _data(mended, "_with_temperature")),
        facts={
            "kind": "calibration",
            "network": subject.name,
            "split": split,
            "num_images": len(right),
            "error": found.error,
            "temperature": fitted,
            "error_with_temperature": None if mended is None else mended.error,
        },
    )


def _data(found: Calibration, ending: str) -> dict[str, NDArray[Any]]:
    columns = {"counts": found.counts, "confidence": found.confidence, "accuracy": found.accuracy}
    return {"edges": found.edges, **{f"{key}{ending}": np.asarray(values) for key, values in columns.items()}}
