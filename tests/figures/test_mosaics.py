from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from cnnjobs.figures.drawing.mosaics import coloured, grays, mosaic, pages, signed, tiled
from cnnjobs.figures.drawing.rows import Panel, in_rows, panel_rows
from cnnjobs.figures.drawing.style import png_bytes


def test_tile_k_is_picture_k() -> None:
    tiles = np.random.default_rng(0).integers(0, 255, (7, 4, 5, 3)).astype(np.uint8)
    picture = tiled(tiles, 3)
    assert picture.shape == (3 * 5 - 1, 3 * 6 - 1, 3)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, 3)
        assert np.array_equal(picture[5 * row : 5 * row + 4, 6 * column : 6 * column + 5], tile)
    gray = (0xD4, 0xD8, 0xDD)
    assert (picture[4] == gray).all()
    assert (picture[:9, 5] == gray).all()
    # Where there is no picture there is no line either.
    assert (picture[10:, 12:] == 255).all()


def test_zero_has_one_colour_and_the_extremes_are_full() -> None:
    values = np.array([[[0.0, 2.0], [-2.0, 1.0]], [[0.0, 0.5], [-0.5, 0.0]]])
    colours, limits = signed(values, shared=True)
    assert limits.tolist() == [2.0, 2.0]
    red, blue, zero = colours[0, 0, 1].astype(int), colours[0, 1, 0].astype(int), colours[0, 0, 0].astype(int)
    assert red[0] > red[2] + 50
    assert blue[2] > blue[0] + 50
    assert zero.min() > 240
    assert np.array_equal(colours[1, 0, 0], colours[0, 0, 0])
    own, limits = signed(values, shared=False)
    assert limits.tolist() == [2.0, 0.5]
    assert np.array_equal(own[1, 0, 1], own[0, 0, 1])
    pictures, limits = coloured(np.stack([values] * 3, axis=-1), shared=False)
    assert pictures[0, 0, 0].tolist() == [128] * 3
    assert pictures[0, 0, 1].tolist() == [255] * 3
    assert pictures[0, 1, 0].tolist() == [0] * 3
    shades, limits = grays(np.abs(values), shared=False)
    assert shades[:, 0, 0].tolist() == [[0] * 3] * 2
    assert shades[1, 0, 1].tolist() == [255] * 3


@pytest.mark.parametrize("paint", [signed, grays])
@pytest.mark.parametrize("shared", [True, False])
def test_maps_without_any_value_have_a_colour(paint: object, shared: bool) -> None:
    colours, limits = paint(np.zeros((3, 2, 2)), shared=shared)  # type: ignore[operator]
    assert (colours == colours[0, 0, 0]).all()
    assert limits.tolist() == [0.0] * 3


def test_every_pixel_of_a_mosaic_is_as_large_as_the_others() -> None:
    tiles = np.random.default_rng(0).integers(0, 250, (64, 7, 7, 3)).astype(np.uint8)
    figure = mosaic(tiles, range(64), "title", "note")
    assert len(figure.axes) == 1
    drawn = np.asarray(Image.open(io.BytesIO(png_bytes(figure))).convert("RGB"))
    picture = tiled(tiles, 8)
    zoom = 800 // (picture.shape[1] + 2)
    enlarged = picture.repeat(zoom, 0).repeat(zoom, 1)
    height, width, _ = enlarged.shape
    places = [
        (row, column)
        for row in range(drawn.shape[0] - height + 1)
        for column in (79 + zoom, 80 + zoom, 81 + zoom)
        if np.array_equal(drawn[row, column : column + width], enlarged[0])
    ]
    row, column = places[0]
    assert np.array_equal(drawn[row : row + height, column : column + width], enlarged)
    assert (drawn[row - zoom : row, column : column + width] == (0xD4, 0xD8, 0xDD)).all()


def test_a_map_of_one_value_is_larger_than_the_line_around_it() -> None:
    tiles = np.full((100, 1, 1, 3), 255, np.uint8)
    picture = np.asarray(mosaic(tiles, range(100), "title", "note").axes[0].images[0].get_array())
    assert picture.shape == (10 * 7 + 1, 10 * 7 + 1, 3)
    assert (picture[1:7, 1:7] == 255).all()
    assert (picture[[0, 7, 70]] == (0xD4, 0xD8, 0xDD)).all()


def test_512_maps_are_one_picture_and_dead_ones_are_crossed() -> None:
    figure = mosaic(np.zeros((512, 7, 7, 3), np.uint8), range(512), "title", "note", crossed=(3, 500))
    (axes,) = figure.axes
    assert len(axes.images) == 1
    assert [line.get_marker() for line in axes.lines] == ["x", "x"]
    column, row = axes.lines[0].get_data()
    assert (column[0], row[0]) == (3 * 8 + 3, 3)
    picture = np.asarray(axes.images[0].get_array())
    assert (picture[1:8, 25:32] == (0xD4, 0xD8, 0xDD)).all()
    assert (picture[1:8, 1:8] == 0).all()


@pytest.mark.parametrize(
    ("count", "side", "expected"),
    [(512, 7, [512]), (2048, 7, [512] * 4), (64, 112, [64]), (64, 224, [16] * 4), (600, 7, [512, 88]), (1, 5000, [1])],
)
def test_pages_hold_what_can_be_told_apart(count: int, side: int, expected: list[int]) -> None:
    found = pages(count, side, side)
    assert [len(page) for page in found] == expected
    assert [number for page in found for number in page] == list(range(count))


def test_panels_stand_in_rows_with_their_words() -> None:
    panels = [Panel(np.full((3, 3, 1 + 2 * (number % 2)), 9, np.uint8), f"number {number}") for number in range(7)]
    rows = in_rows(panels)
    assert [len(row) for row in rows] == [4, 3]
    figure = panel_rows(rows, "A title that is far longer than half a page is wide, so that it wraps", "a note")
    assert [axes.get_title() for axes in figure.axes] == [panel.words for panel in panels]
    drawn = np.asarray(Image.open(io.BytesIO(png_bytes(figure))))
    assert drawn.shape[1] == 960
