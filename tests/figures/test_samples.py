from __future__ import annotations

import re

import numpy as np
import pytest

from cnnjobs.figures.drawing.samples import Sample, sample_grid
from cnnjobs.figures.drawing.style import png_bytes, svg_text

GRAY, COLOUR = np.full((28, 28, 1), 90, np.uint8), np.full((32, 32, 3), 120, np.uint8)
RIGHT = Sample(COLOUR, "cat", 0.913, "cat", "test 3")
WRONG = Sample(COLOUR, "dog", 0.5449, "cat", "test 4")
UNKNOWN = Sample(GRAY, "Ankle boot", 1.0, name="photo.jpg")


def captions(*samples: Sample) -> list[str]:
    figure = sample_grid(samples)
    return [axes.get_title() for axes in figure.axes if axes.axison]


def test_right_and_wrong_differ_in_sign_frame_and_words() -> None:
    assert captions(RIGHT, WRONG, UNKNOWN) == [
        "✓ cat 91 %\ntest 3",
        "✗ dog 54 %\ntrue: cat",
        "Ankle boot 100 %\nphoto.jpg",
    ]
    right, wrong, unknown = (axes.spines["left"] for axes in sample_grid([RIGHT, WRONG, UNKNOWN]).axes)
    assert right.get_linestyle() == unknown.get_linestyle() == "solid"
    assert wrong.get_linestyle() != "solid"
    assert wrong.get_linewidth() > right.get_linewidth() > unknown.get_linewidth()
    assert len({side.get_edgecolor() for side in (right, wrong, unknown)}) == 3


def test_gray_pixels_keep_their_brightness() -> None:
    (image,) = sample_grid([UNKNOWN]).axes[0].images
    assert image.get_clim() == (0, 255)
    assert image.get_array() is not None
    assert image.get_array().shape == (28, 28)  # type: ignore[union-attr]


@pytest.mark.parametrize(("number", "rows", "columns"), [(1, 1, 1), (4, 1, 4), (8, 1, 8), (10, 2, 5), (17, 3, 6)])
def test_many_images_stand_in_rows_of_one_length(number: int, rows: int, columns: int) -> None:
    figure = sample_grid([RIGHT] * number)
    assert figure.axes[0].get_gridspec().get_geometry() == (rows, columns)  # type: ignore[union-attr]
    assert sum(axes.axison for axes in figure.axes) == number


def test_any_words_are_drawn_as_they_are() -> None:
    hostile = Sample(COLOUR, "$x_1$ & <b>" + "y" * 40, 0.2, "a\nb")
    (caption,) = captions(hostile)
    assert caption == f"✗ $x_1$ & <b>{'y' * 8}… 20 %\ntrue: a b"
    text = svg_text(sample_grid([hostile], "a title that is longer than one row of images is wide, and told on two"))
    assert re.search(r"&lt;b&gt;y+", text)


def test_the_same_samples_give_the_same_bytes() -> None:
    assert png_bytes(sample_grid([RIGHT, WRONG], "title")) == png_bytes(sample_grid([RIGHT, WRONG], "title"))
