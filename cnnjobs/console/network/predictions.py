"""Predictions for images: the most probable classes of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from cnnjobs.console.terminal import notice, say, show, write

if TYPE_CHECKING:
    from cnnjobs.training.trained.predictions import Prediction

_ORDINALS = ("1st", "2nd", "3rd")


def show_predictions(run_id: str, predictions: Sequence[Prediction], top: int) -> None:
    """One row per image, its most probable classes from left to right; how many are right, where that is known."""
    for prediction in predictions:
        for note in prediction.notes:
            notice(f"{prediction.source}: {note}")
    known = [prediction for prediction in predictions if prediction.truth is not None]
    say(run_id, style="bold")
    table = Table(box=None, pad_edge=False)
    for heading in ("image", *(("true class", "") if known else ())):
        table.add_column(heading)
    places = min(top, len(predictions[0].probabilities))
    for place in range(1, places + 1):
        table.add_column(_ORDINALS[place - 1] if place <= len(_ORDINALS) else f"{place}th")
        table.add_column("", justify="right")
    for prediction in predictions:
        told = (prediction.truth or "", "right" if prediction.is_right else "wrong") if known else ()
        ranked = [cell for name, share in prediction.ranked[:places] for cell in (name, f"{100 * share:.1f} %")]
        table.add_row(prediction.source, *told, *ranked, style="red" if prediction.is_right is False else None)
    show(table)
    if known:
        right = sum(bool(prediction.is_right) for prediction in known)
        say(f"{right} of {len(known)} right ({100 * right / len(known):.0f} %)")


def show_predictions_json(run_id: str, predictions: Sequence[Prediction]) -> None:
    """Everything, for programs; probabilities in [0, 1]."""
    images = [
        {
            "image": prediction.source,
            "true": prediction.truth,
            "predicted": prediction.ranked[0][0],
            "probabilities": prediction.probabilities,
            "notes": list(prediction.notes),
        }
        for prediction in predictions
    ]
    write(json.dumps({"run_id": run_id, "images": images}, indent=1))


def show_written(files: Sequence[Path]) -> None:
    """List new files."""
    for file in files:
        notice(f"written: {file}")
