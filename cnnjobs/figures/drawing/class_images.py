"""Images of each class of a data set: a few images of each, or one where there are many classes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnnjobs.figures.drawing.style import INK, plain, style

# More classes stand in a grid, one image each.
_MOST_ROWS: Final = 20
_COLUMNS: Final = 10
_CELL: Final = 0.62
_NAMES: Final = 1.3
_TITLE: Final = 0.35
_LETTERS: Final = 18
_CAPTION_LETTERS: Final = 14
_GAP: Final = 0.06
_CAPTION: Final = 0.36
_MARGIN: Final = 0.15


def class_images(images: Mapping[str, NDArray[np.uint8]], title: str) -> Figure:
    """A row of images (N, H, W, C) for every class with its name, or a grid of their first ones with names above."""
    with style():
        if len(images) <= _MOST_ROWS:
            return _rows(images, title)
        return _grid({name: some[0] for name, some in images.items()}, title)


def _rows(images: Mapping[str, NDArray[np.uint8]], title: str) -> Figure:
    columns = max(map(len, images.values()))
    axes = _axes(_NAMES + (columns + _MARGIN) * _CELL, (len(images) + _MARGIN) * _CELL, title)
    for row, (name, some) in enumerate(images.items()):
        for column, image in enumerate(some):
            _draw(axes, image, column, row)
        axes.text(-0.15, row + 0.5, _short(name, _LETTERS), ha="right", va="center", fontsize=9, color=INK)
    axes.set(xlim=(-_NAMES / _CELL, columns + _MARGIN), ylim=(len(images) + _MARGIN, 0))
    return axes.figure  # type: ignore[return-value]


def _grid(images: Mapping[str, NDArray[np.uint8]], title: str) -> Figure:
    rows = math.ceil(len(images) / _COLUMNS)
    step = 1 + _CAPTION
    axes = _axes(_COLUMNS * step * _CELL, (rows * step + _MARGIN) * _CELL, title)
    for index, (name, image) in enumerate(images.items()):
        column, row = (index % _COLUMNS) * step, (index // _COLUMNS) * step + _CAPTION
        _draw(axes, image, column + _CAPTION / 2, row)
        caption = _short(name, _CAPTION_LETTERS)
        axes.text(column + step / 2, row, caption, ha="center", va="bottom", fontsize=6.5, color=INK)
    axes.set(xlim=(0, _COLUMNS * step), ylim=(rows * step + _MARGIN, 0))
    return axes.figure  # type: ignore[return-value]


def _axes(width: float, height: float, title: str) -> Axes:
    """One empty panel of that size in inches below a title."""
    figure = Figure(figsize=(width, height + _TITLE))
    axes = figure.add_axes((0, 0, 1, height / (height + _TITLE)))
    axes.set_axis_off()
    figure.text(0.5, 1 - _TITLE / (height + _TITLE) / 2, plain(title), ha="center", va="center", fontweight="bold")
    return axes


def _draw(axes: Axes, image: NDArray[np.uint8], column: float, row: float) -> None:
    """The image in the unit square at column and row."""
    extent = (column + _GAP / 2, column + 1 - _GAP / 2, row + 1 - _GAP / 2, row + _GAP / 2)
    pixels = image[:, :, 0] if image.shape[2] == 1 else image
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest", extent=extent)


def _short(text: str, letters: int) -> str:
    text = plain(text)
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
