from __future__ import annotations

from unittest.mock import patch

import pytest
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from cnnjobs.figures.drawing.style import png_bytes, style, svg_and_png, svg_text


def figure(layout: str | None) -> Figure:
    with style():
        made = Figure(figsize=(4, 3), layout=layout)
        axes = made.add_subplot()
        axes.plot([0, 1, 2], [0.5, 30_000, 7], label="line")
        axes.set_title("A title")
        made.legend(loc="outside lower left" if layout else "lower left")
        return made


@pytest.mark.parametrize("layout", ["constrained", None])
def test_both_files_are_laid_out_once_and_drawn_once_each(layout: str | None) -> None:
    drawn, laid_out = Figure.draw, ConstrainedLayoutEngine.execute
    with (
        patch.object(Figure, "draw", autospec=True, side_effect=drawn) as draws,
        patch.object(ConstrainedLayoutEngine, "execute", autospec=True, side_effect=laid_out) as layouts,
    ):
        svg_and_png(figure(layout))
    assert draws.call_count == 2
    assert layouts.call_count == bool(layout)


@pytest.mark.parametrize("layout", ["constrained", None])
def test_they_are_what_matplotlib_saves(layout: str | None) -> None:
    one = figure(layout)
    svg = svg_text(one)
    one.set_layout_engine("none")
    assert svg_and_png(figure(layout)) == (svg, png_bytes(one))
