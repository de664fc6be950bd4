"""A few pictures side by side, each with words of its own."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnnjobs.figures.style import HALF_PAGE, plain, style

_MOST_COLUMNS: Final = 5
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


def panel_rows(rows: Sequence[Sequence[Panel]], title: str, note: str) -> Figure:
    """Rows of as many pictures each, all of one size on paper; `note` stands below."""
    columns = max(len(row) for row in rows)
    page = max(HALF_PAGE, 0.9 * columns)
    side = page / columns
    words = [[_wrapped(panel.words, side * _LETTERS_PER_INCH) for panel in row] for row in rows]
    tops = [_LINE * max((text.count("\n") + 1) * bool(text) for text in row) + 0.08 for row in words]
    shapes = [max(panel.pixels.shape[0] / panel.pixels.shape[1] for panel in row) for row in rows]
    heights = [top + 0.96 * side * shape for top, shape in zip(tops, shapes, strict=True)]
    titles = textwrap.wrap(plain(title), int(page * _TITLE_LETTERS_PER_INCH))
    notes = textwrap.wrap(plain(note), int(page * _LETTERS_PER_INCH))
    head, foot = 0.1 + _TITLE_LINE * len(titles), 0.1 + _LINE * (len(notes) + 0.5)
    total = head + sum(heights) + foot
    with style():
        figure = Figure(figsize=(page, total))
        figure.text(0.02 * side / page, 1 - 0.06 / total, "\n".join(titles), va="top", fontsize=10, fontweight="bold")
        figure.text(0.02 * side / page, 0.06 / total, "\n".join(notes), va="bottom", fontsize=8)
        edge = total - head
        for row, texts, top, height in zip(rows, words, tops, heights, strict=True):
            for column, (panel, text) in enumerate(zip(row, texts, strict=True)):
                place = ((column + 0.02) * side / page, (edge - height) / total)
                axes = figure.add_axes((*place, 0.96 * side / page, (height - top) / total))
                gray = panel.pixels.shape[2] == 1
                axes.imshow(
                    panel.pixels[..., 0] if gray else panel.pixels, "gray", vmin=0, vmax=255, interpolation="none"
                )
                axes.set_axis_off()
                axes.set_title(text, loc="center", fontsize=8, fontweight="normal", pad=3)
            edge -= height
        return figure


def in_rows(panels: Sequence[Panel], most: int = _MOST_COLUMNS) -> list[Sequence[Panel]]:
    """The panels in rows of nearly one length, of at most so many."""
    number = math.ceil(len(panels) / most)
    columns = math.ceil(len(panels) / number)
    return [panels[start : start + columns] for start in range(0, len(panels), columns)]


def _wrapped(text: str, letters: float) -> str:
    lines = textwrap.wrap(plain(text), max(6, int(letters)))
    return "\n".join(lines if len(lines) <= _MOST_LINES else [*lines[: _MOST_LINES - 1], "…"])
