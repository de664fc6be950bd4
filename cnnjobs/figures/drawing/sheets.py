"""Numbered pictures on as few sheets as they can be told apart on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from matplotlib.figure import Figure

from cnnjobs.figures.drawing.mosaics import Pixels, mosaic, pages
from cnnjobs.figures.drawing.rows import Panel, in_rows, panel_rows

# So many pictures have room for words of their own.
FEW: Final = 20


def sheets(
    tiles: Pixels, numbers: Sequence[int], words: Sequence[str], title: str, note: str, *, crossed: Sequence[int] = ()
) -> Iterator[tuple[range, Figure]]:
    """The tiles (K, h, w, 3): a few with their `words`, many as mosaics by their `numbers`; which are on each sheet.

    Those of the numbers that are `crossed` have nothing to show.
    """
    if len(tiles) <= FEW:
        panels = [Panel(tile, text) for tile, text in zip(tiles, words, strict=True)]
        yield range(len(tiles)), panel_rows(in_rows(panels), title, note)
        return
    for page in pages(len(tiles), *tiles.shape[1:3]):
        part = slice(page.start, page.stop)
        on_page = "" if len(page) == len(tiles) else f", {numbers[page.start]} to {numbers[page.stop - 1]}"
        yield page, mosaic(tiles[part], numbers[part], title + on_page, note, crossed)
