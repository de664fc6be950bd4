"""A few pictures side by side, each with words of its own."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnnjobs.figures.drawing.style import HALF_PAGE, plain, style

_MOST_COLUMNS: Final = 5
# Of the width that a picture has to itself.
_SHARE: Final = 0.96
_LINE: Final = 0.145
_TITLE_LINE: Final = 0.19
_LETTERS_PER_INCH: Final = 15
_TITLE_LETTERS_PER_INCH: Final = 9.5
_MOST_LINES: Final = 4


@dataclass(frozen=True, eq=False)
class Panel:
    """One picture (h, w, 3) or (h, w, 1) uint8, and what stands above it."""

    pixels: NDArray[np.uint8]
    words: str = ""


def panel_rows(
    rows: Sequence[Sequence[Panel]], title: str, note: str = "", *, labels: Sequence[str] = (), narrowest: float = 0.9
) -> Figure:
    """Rows of as many pictures each, with what the `labels` say beside each row; `note` stands below.

    No picture gets narrower than so many inches: a wide row makes a wide figure.
    """
    columns = max(len(row) for row in rows)
    left = 0.25 if labels else 0.0
    page = max(HALF_PAGE, narrowest * columns + left)
    side = (page - left) / columns
    words = [[_wrapped(panel.words, side * _LETTERS_PER_INCH) for panel in row] for row in rows]
    tops = [_LINE * max((text.count("\n") + 1) * bool(text) for text in texts) + 0.08 for texts in words]
    shapes = [max(panel.pixels.shape[0] / panel.pixels.shape[1] for panel in row) for row in rows]
    heights = [top + _SHARE * side * shape for top, shape in zip(tops, shapes, strict=True)]
    titles = textwrap.wrap(plain(title), int(page * _TITLE_LETTERS_PER_INCH))
    notes = textwrap.wrap(plain(note), int(page * _LETTERS_PER_INCH))
    head, foot = 0.1 + _TITLE_LINE * len(titles), 0.1 + _LINE * (len(notes) + 0.5) * bool(notes)
    total = head + sum(heights) + foot
    with style():
        figure = Figure(figsize=(page, total))
        figure.text(0.02 / page, 1 - 0.06 / total, "\n".join(titles), va="top", fontsize=10, fontweight="bold")
        figure.text(0.02 / page, 0.06 / total, "\n".join(notes), va="bottom", fontsize=8)
        bottom = total - head
        for number, (row, texts, top, height) in enumerate(zip(rows, words, tops, heights, strict=True)):
            bottom -= height
            if labels:
                middle = (bottom + (height - top) / 2) / total
                figure.text(
                    0.12 / page, middle, plain(labels[number]), rotation=90, ha="center", va="center", fontsize=8
                )
            for column, (panel, text) in enumerate(zip(row, texts, strict=True)):
                start = left + (column + (1 - _SHARE) / 2) * side
                place = (start / page, bottom / total, _SHARE * side / page, (height - top) / total)
                _draw(figure.add_axes(place), panel, text)
        return figure


def _draw(axes: Axes, panel: Panel, text: str) -> None:
    pixels = panel.pixels[..., 0] if panel.pixels.shape[2] == 1 else panel.pixels
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="none")
    axes.set_axis_off()
    axes.set_title(text, loc="center", fontsize=8, fontweight="normal", pad=3)


def in_rows(panels: Sequence[Panel], most: int = _MOST_COLUMNS) -> list[Sequence[Panel]]:
    """The panels in rows of nearly one length, of at most so many."""
    number = math.ceil(len(panels) / most)
    columns = math.ceil(len(panels) / number)
    return [panels[start : start + columns] for start in range(0, len(panels), columns)]


def _wrapped(text: str, letters: float) -> str:
    lines = textwrap.wrap(plain(text), max(6, int(letters)), break_long_words=False)
    return "\n".join(lines if len(lines) <= _MOST_LINES else [*lines[: _MOST_LINES - 1], "…"])
