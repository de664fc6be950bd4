"""Many small pictures as one figure: a single array, every pixel of which is as large as the others."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnnjobs.figures.drawing.style import HALF_PAGE, INK, PNG_DPI, RULE, plain, style

Maps = NDArray[np.floating[Any]]
Pixels = NDArray[np.uint8]

MOST_TILES: Final = 512
_MOST_PIXELS: Final = 1000
_MARGIN: Final = 0.4
_LINE: Final = 0.16
_TITLE_LINE: Final = 0.2
_LETTERS_PER_INCH: Final = 15.5
_TITLE_LETTERS_PER_INCH: Final = 10.5
_MOST_TICKS: Final = 12
_SIGNED: Final = "RdBu_r"
_LEAST_SIDE: Final = 6


def pixel(colour: str) -> Pixels:
    """The colour `#rrggbb` as one pixel (3,)."""
    return np.frombuffer(bytes.fromhex(colour[1:]), dtype=np.uint8)


# Neither black nor white, which are values.
_LINE_COLOUR: Final = pixel(RULE)


def rgb(pixels: Any) -> Any:
    """pixels (..., C) -> (..., 3): gray ones as they are, of other numbers of channels the mean."""
    if pixels.shape[-1] == 3:
        return pixels
    return np.repeat(pixels.mean(axis=-1, keepdims=True).astype(pixels.dtype), 3, axis=-1)


def coloured(values: Maps, *, shared: bool) -> tuple[Pixels, NDArray[np.float64]]:
    """Values (K, h, w, 3) -> colours (K, h, w, 3) in which gray is 0, and the value (K,) of full colour.

    `shared` gives all one scale, else each has its own.
    """
    limits = _limits(values, shared)
    return _bytes((values / _divisor(limits, values) + 1) / 2), limits


def signed(values: Maps, *, shared: bool) -> tuple[Pixels, NDArray[np.float64]]:
    """Values (K, h, w) -> colours (K, h, w, 3), white at 0, red above, blue below; and the value (K,) of full red."""
    limits = _limits(values, shared)
    table: Pixels = _bytes(colormaps[_SIGNED](np.linspace(0, 1, 256))[:, :3])
    return table[_bytes((values / _divisor(limits, values) + 1) / 2)], limits


def grays(values: Maps, *, shared: bool) -> tuple[Pixels, NDArray[np.float64]]:
    """Values (K, h, w) of at least 0 -> grays (K, h, w, 3), black for 0, and the value (K,) of white."""
    limits = _limits(values, shared)
    return np.repeat(_bytes(values / _divisor(limits, values))[..., None], 3, axis=-1), limits


def _limits(values: Maps, shared: bool) -> NDArray[np.float64]:
    largest = np.abs(values).reshape(len(values), -1).max(axis=1, initial=0.0).astype(np.float64)
    return np.full(len(values), largest.max(initial=0.0)) if shared else largest


def _divisor(limits: NDArray[np.float64], values: Maps) -> NDArray[np.float64]:
    """The limits in a shape that divides the values; 1 where all values are 0."""
    return np.where(limits > 0, limits, 1.0).reshape(-1, *(1,) * (values.ndim - 1))


def _bytes(shares: NDArray[np.floating[Any]]) -> Pixels:
    return np.asarray((shares * 255).round().clip(0, 255), dtype=np.uint8)


def pages(count: int, height: int, width: int, most: int = MOST_TILES) -> list[range]:
    """Pages of tiles of this size, few enough on each to be legible in print."""
    fitting = max(1, _MOST_PIXELS // (width + 1)) * max(1, _MOST_PIXELS // (height + 1))
    size = min(fitting, most)
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def tiled(tiles: Pixels, columns: int) -> Pixels:
    """tiles (K, h, w, 3) -> one picture, row by row, with a gray line of one pixel between them."""
    count, height, width, depth = tiles.shape
    rows = math.ceil(count / columns)
    grid = np.full((rows, columns, height + 1, width + 1, depth), 255, dtype=np.uint8)
    grid.reshape(-1, height + 1, width + 1, depth)[:count] = _LINE_COLOUR
    grid.reshape(-1, height + 1, width + 1, depth)[:count, :height, :width] = tiles
    # (rows, columns, height, width, depth) -> (rows, height, columns, width, depth)
    picture = grid.swapaxes(1, 2).reshape(rows * (height + 1), columns * (width + 1), depth)
    return picture[:-1, :-1]


def mosaic(tiles: Pixels, numbers: Sequence[int], title: str, note: str, crossed: Sequence[int] = ()) -> Figure:
    """All tiles (K, h, w, 3) in one picture, the numbers of each row's and column's first tile beside it.

    `note` stands below; those of the `numbers` that are `crossed` show a cross in place of their tile.
    """
    # Of tiles of a few values the lines between them would take half the picture.
    enlarged = math.ceil(_LEAST_SIDE / min(tiles.shape[1:3]))
    tiles = tiles.repeat(enlarged, axis=1).repeat(enlarged, axis=2)
    count, height, width, _ = tiles.shape
    columns = math.ceil(math.sqrt(count * (height + 1) / (width + 1)))
    marks = [place for place, number in enumerate(numbers) if number in set(crossed)]
    tiles[marks] = _LINE_COLOUR
    picture = tiled(tiles, columns)
    with style():
        figure, axes = _sheet(picture, title, note)
        for place in marks:
            row, column = divmod(place, columns)
            centre = column * (width + 1) + width / 2 - 0.5, row * (height + 1) + height / 2 - 0.5
            axes.plot(*centre, marker="x", color=INK, markersize=5, markeredgewidth=0.8)
        _number(axes, numbers, columns, height, width)
        return figure


def _sheet(picture: Pixels, title: str, note: str) -> tuple[Figure, Axes]:
    """A figure around the picture in a frame, every pixel of which is a whole number of the PNG's."""
    height, width, depth = picture.shape
    framed = np.broadcast_to(_LINE_COLOUR, (height + 2, width + 2, depth)).copy()
    framed[1:-1, 1:-1] = picture
    zoom = max(1, round((HALF_PAGE - 2 * _MARGIN) * PNG_DPI) // (width + 2))
    wide, tall = (side * zoom / PNG_DPI for side in (width + 2, height + 2))
    page = max(HALF_PAGE, wide + 2 * _MARGIN)
    titles = textwrap.wrap(plain(title), int((page - _MARGIN) * _TITLE_LETTERS_PER_INCH))
    notes = textwrap.wrap(plain(note), int((page - 2 * _MARGIN) * _LETTERS_PER_INCH))
    above, below = _MARGIN + _TITLE_LINE * len(titles), 0.1 + _LINE * (len(notes) + 0.5)
    whole = above + tall + below
    figure = Figure(figsize=(page, whole))
    axes = figure.add_axes((_MARGIN / page, below / whole, wide / page, tall / whole))
    # Places are counted from the picture's first pixel.
    axes.imshow(framed, interpolation="none", extent=(-1.5, width + 0.5, height + 0.5, -1.5))
    axes.grid(visible=False)
    axes.set_axis_off()
    figure.text(_MARGIN / page, 1 - 0.08 / whole, "\n".join(titles), va="top", fontsize=10, fontweight="bold")
    figure.text(_MARGIN / page, 0.08 / whole, "\n".join(notes), va="bottom", fontsize=8)
    return figure, axes


def _number(axes: Axes, numbers: Sequence[int], columns: int, height: int, width: int) -> None:
    """Numbers at the first tile of the rows and, where they count on from it, of the columns."""
    rows = math.ceil(len(numbers) / columns)
    for row in range(0, rows, math.ceil(rows / _MOST_TICKS)):
        middle = row * (height + 1) + height / 2 - 0.5
        axes.text(
            -0.5 - 0.02 * columns * width, middle, str(numbers[row * columns]), ha="right", va="center", fontsize=8
        )
    if columns == 1 or list(numbers) != list(range(numbers[0], numbers[0] + len(numbers))):
        return
    for column in range(0, columns, math.ceil(columns / _MOST_TICKS)):
        middle = column * (width + 1) + width / 2 - 0.5
        axes.text(middle, -0.5 - 0.02 * rows * height, f"+{column}", ha="center", va="bottom", fontsize=8)
