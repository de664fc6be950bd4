"""Scores per class as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from cnnjobs.figures.drawing.style import HALF_PAGE, INK, PAPER, SERIES_COLOURS, SPLIT_COLOURS, plain, set_title, style
from cnnjobs.figures.methods.calibration import Calibration
from cnnjobs.figures.methods.scores import ClassScores, ConfusedPair

# More classes have no room for names and counts.
MOST_NAMED: Final = 100
_LARGEST_CELL, _SMALLEST_CELL = 0.33, 0.15
_WIDEST: Final = 9.6
_BAR: Final = 0.5
_ROW: Final = 0.2
_LETTERS: Final = 18
_MARKS: Final = (("precision", ">", 0), ("recall", "<", 1), ("F1", "o", 2))


def confusion_chart(matrix: NDArray[np.int64], classes: Sequence[str], title: str) -> Figure:
    """Counts (true class, predicted class): colours by the share of the row, counts in the cells."""
    number = len(classes)
    named = number <= MOST_NAMED
    cell = max(_SMALLEST_CELL, min(_LARGEST_CELL, _WIDEST / number)) if named else _WIDEST / number
    side = cell * number
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    with style():
        width = max(HALF_PAGE, side + 1.6)
        # The cells are squares, and the colour bar stands beside them.
        figure = Figure(figsize=(width, width - _BAR), layout="constrained")
        axes = figure.subplots()
        # Mistakes are few beside hits: by its root the eye sees a share of 1 %.
        picture = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1), interpolation="none")
        bar = figure.colorbar(picture, ax=axes, shrink=0.6, aspect=25, pad=0.02, ticks=[0, 0.01, 0.1, 0.25, 0.5, 1])
        bar.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        bar.set_label("share of the true class")
        axes.grid(visible=False)
        axes.set(xlabel="predicted class", ylabel="true class")
        set_title(axes, title, width)
        size = min(9.0, cell * 42)
        if named:
            names = [_short(name) for name in classes]
            axes.set_xticks(range(number), names, rotation=90, fontsize=size)
            axes.set_yticks(range(number), names, fontsize=size)
            axes.tick_params(length=0)
            _write_counts(axes, matrix, shares, min(8.0, cell * 26))
        return figure


def _write_counts(axes: Axes, matrix: NDArray[np.int64], shares: NDArray[np.float64], size: float) -> None:
    digits = len(str(matrix.max(initial=0)))
    for row, column in np.argwhere(matrix):
        ink = PAPER if shares[row, column] > 0.4 else INK
        axes.text(
            column,
            row,
            str(matrix[row, column]),
            ha="center",
            va="center",
            color=ink,
            fontsize=size * min(1, 3 / digits),
        )


def class_chart(scores: Sequence[ClassScores], title: str) -> Figure:
    """A row for every class with its precision, recall and F1."""
    with style():
        figure = Figure(figsize=(HALF_PAGE, _ROW * len(scores) + 1.2), layout="constrained")
        axes = figure.subplots()
        rows = range(len(scores))
        for name, mark, colour in _MARKS:
            values = [getattr(each, name.lower()) for each in scores]
            shown = [(value, row) for value, row in zip(values, rows, strict=True) if value is not None]
            axes.plot(
                *np.array(shown).reshape(-1, 2).T,
                mark,
                color=SERIES_COLOURS[colour],
                label=name,
                markersize=5,
                alpha=0.9,
            )
        axes.set_yticks(rows, [_short(each.name) for each in scores])
        axes.set(ylim=(len(scores) - 0.5, -0.5), xlabel="score")
        axes.set_xlim(right=1.02)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.grid(visible=False, axis="y")
        figure.legend(loc="outside lower center", ncols=3)
        set_title(axes, title, HALF_PAGE - 1)
        return figure


def pair_chart(pairs: Sequence[ConfusedPair], title: str) -> Figure:
    """A bar for every pair of classes: how many images of the one were taken for the other."""
    with style():
        figure = Figure(figsize=(HALF_PAGE, _ROW * max(len(pairs), 3) + 1.1), layout="constrained")
        axes = figure.subplots()
        bars = axes.barh(range(len(pairs)), [pair.count for pair in pairs], color=SERIES_COLOURS[0], height=0.7)
        axes.bar_label(bars, [f"{pair.count} ({pair.share:.0%})" for pair in pairs], padding=3, fontsize=8)
        axes.set_yticks(range(len(pairs)), [f"{_short(pair.truth)} → {_short(pair.predicted)}" for pair in pairs])
        axes.set(ylim=(max(len(pairs), 3) - 0.5, -0.5), xlabel="images (of all of the true class)")
        axes.margins(x=0.25)
        axes.grid(visible=False, axis="y")
        axes.set_axisbelow(True)
        set_title(axes, title, HALF_PAGE - 1.5)
        return figure


def reliability_chart(found: Calibration, mended: Calibration | None, title: str, split: str) -> Figure:
    """The accuracy of each bin over its confidence, and below how many images are in it; `mended` beside it."""
    with style():
        figure = Figure(figsize=(HALF_PAGE, 4.6 + _ROW * (1 + 2 * (mended is not None))), layout="constrained")
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (4, 3)), label="as sure as right")
        _draw_bins(axes, below, found, color=SPLIT_COLOURS[split], marker="o", label=f"{split}, as trained")
        if mended is not None:
            _draw_bins(axes, below, mended, color=SERIES_COLOURS[0], marker="s", label="with the temperature")
        axes.set(ylabel="accuracy", ylim=(-0.02, 1.02), xlim=(-0.02, 1.02))
        below.set(ylabel="images", xlabel="confidence")
        for axis in (axes.yaxis, below.xaxis):
            axis.set_major_formatter(PercentFormatter(1))
        # Curves may run anywhere in the axes.
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=1 + (mended is None))
        set_title(axes, title, HALF_PAGE - 0.6)
        return figure


def _draw_bins(axes: Axes, below: Axes, found: Calibration, **look: Any) -> None:
    full = found.counts > 0
    axes.plot(found.confidence[full], found.accuracy[full], markersize=4, **look)
    # Confidences of exactly 1 stand with those just below.
    counts = found.counts[:-1].copy()
    counts[-1] += found.counts[-1]
    below.stairs(counts, found.edges, color=look["color"], linewidth=1.4)


def _short(text: str) -> str:
    text = plain(text)
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
