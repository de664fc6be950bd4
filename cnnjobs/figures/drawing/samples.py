"""Sample images with the class that a network sees in each, and the true one."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnnjobs.figures.drawing.style import INK, plain, style

_MOST_COLUMNS: Final = 8
_CELL: Final = 1.35
_CAPTION: Final = 0.38
_TITLE: Final = 0.25
_LETTERS: Final = 20
# Okabe and Ito 2008.
_RIGHT: Final = "#0072b2"
_WRONG: Final = "#d55e00"


@dataclass(frozen=True, eq=False)
class Sample:
    """An image (H, W, C) uint8, gray or RGB; the class seen in it with its probability; the true one where known."""

    image: NDArray[np.uint8]
    predicted: str
    probability: float
    truth: str | None = None
    name: str = ""


def sample_grid(samples: Sequence[Sample], title: str = "") -> Figure:
    """The images in rows; a tick and a whole frame tell that the class is right, a cross and a broken one that not."""
    columns = min(len(samples), _MOST_COLUMNS)
    # Rows of one length: 10 images stand as two fives.
    columns = math.ceil(len(samples) / math.ceil(len(samples) / columns))
    rows = math.ceil(len(samples) / columns)
    with style():
        size = (max(columns, 3) * _CELL, rows * (_CELL + _CAPTION) + _TITLE)
        figure = Figure(figsize=size, layout="constrained")
        cells = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, sample in zip(cells, samples, strict=False):
            _draw(axes, sample)
        for axes in cells[len(samples) :]:
            axes.set_axis_off()
        if title:
            figure.suptitle("\n".join(textwrap.wrap(plain(title), 20 * max(columns, 3))), fontsize=10)
        return figure


def _draw(axes: Axes, sample: Sample) -> None:
    image = sample.image[:, :, 0] if sample.image.shape[2] == 1 else sample.image
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.grid(visible=False)
    axes.set(xticks=[], yticks=[])
    right = None if sample.truth is None else sample.predicted == sample.truth
    for side in axes.spines.values():
        side.set(visible=True, **_frame(right))
    lines = [f"{_short(sample.predicted)} {100 * sample.probability:.0f} %"]
    if right is not None:
        lines[0] = f"{'✓' if right else '✗'} {lines[0]}"
    if right is False:
        lines.append(f"true: {_short(sample.truth or '')}")
    elif sample.name:
        lines.append(_short(sample.name))
    weight = "bold" if right is False else "normal"
    axes.set_title("\n".join(lines), fontsize=8, fontweight=weight, loc="center", linespacing=1.3)


def _frame(right: bool | None) -> dict[str, Any]:
    if right is None:
        return {"edgecolor": INK, "linewidth": 0.8}
    if right:
        return {"edgecolor": _RIGHT, "linewidth": 1.6}
    return {"edgecolor": _WRONG, "linewidth": 2.4, "linestyle": (0, (3, 1.5))}


def _short(text: str) -> str:
    text = plain(text)
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
