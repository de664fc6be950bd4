"""One parameter at a time: what each of its values comes to over all the others."""

from __future__ import annotations

import textwrap
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, PercentFormatter

from cnnjobs.figures.drawing.style import INK, SERIES_COLOURS, plain, style
from cnnjobs.report.analysis.importance import MOST_LEVELS, WIDE, Factor, Parameters
from cnnjobs.report.plots.axes import WIDTH, Limits
from cnnjobs.report.text import numbers

_HEIGHT: Final = 2.65
_LEVEL_LETTERS: Final = 16
_SCATTER: Final = 0.12


def marginal(found: Parameters, factor: Factor, ylim: Limits = None) -> Figure:
    """Mean ± sd of the metric over the configurations with each value, and these as points; of many values points."""
    with style():
        figure = Figure(figsize=(WIDTH, _HEIGHT), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title("\n".join(textwrap.wrap(plain(factor.name), 38)))
        axes.set_ylabel(f"{numbers.as_heading(found.metric)}{' (%)' if numbers.is_share(found.metric) else ''}")
        if numbers.is_share(found.metric):
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
        if len(factor.levels) > MOST_LEVELS and factor.is_numeric:
            _scatter(axes, found, factor)
        else:
            _means(axes, found, factor)
        axes.set_ylim(ylim)
        return figure


def _means(axes: Axes, found: Parameters, factor: Factor) -> None:
    places = np.arange(len(factor.levels))
    for place, values in zip(places, factor.split(found.means), strict=True):
        beside = np.linspace(-_SCATTER, _SCATTER, len(values)) if len(values) > 1 else np.zeros(1)
        axes.plot(place + beside, values, ".", color=INK, alpha=0.5, markersize=5, markeredgewidth=0)
    levels = found.levels(factor)
    means, spreads = np.array([level.mean for level in levels]), np.array([level.sd for level in levels])
    look: dict[str, Any] = {"color": SERIES_COLOURS[0], "marker": "o", "markersize": 5, "capsize": 4, "zorder": 3}
    # A line between two values says that there is something between them.
    axes.errorbar(places, means, spreads, linestyle="-" if factor.is_numeric else "", **look)
    axes.set_xlim(-0.5, len(places) - 0.5)
    words = ["\n".join(textwrap.wrap(plain(word), _LEVEL_LETTERS)[:3]) for word in factor.words]
    crowded = sum(max(map(len, word.split("\n") or [""])) + 2 for word in words) > 40
    axes.set_xticks(places, words, rotation=35 if crowded else 0, ha="right" if crowded else "center")
    axes.grid(visible=False, axis="x")


def _scatter(axes: Axes, found: Parameters, factor: Factor) -> None:
    values = np.array(factor.levels, dtype=float)[factor.index]
    axes.plot(values, found.means, "o", color=SERIES_COLOURS[0], alpha=0.7, markersize=4, markeredgewidth=0)
    if values.min() > 0 and values.max() > WIDE * values.min():
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
