"""The best of a search over what it has trained."""

from __future__ import annotations

from typing import Any, Final

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from cnnjobs.figures.drawing.style import SERIES_COLOURS, SIDE_COLOURS, plain, style
from cnnjobs.report.analysis.best_so_far import BestSoFar
from cnnjobs.report.plots.axes import WIDTH, Limits
from cnnjobs.report.text import numbers

_HEIGHT: Final = 2.65
_LEGEND_LINE: Final = 0.19


def search_figure(course: BestSoFar, ylim: Limits = None) -> Figure:
    """The best so far as a stair, and random search's expectation: a line, or the range between two."""
    expected = course.expected
    with style():
        figure = Figure(figsize=(WIDTH, _HEIGHT + _LEGEND_LINE * (2 if expected else 1)), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title("Best so far")
        if expected is not None:
            grey: dict[str, Any] = {"color": SIDE_COLOURS["before"], "linestyle": "--", "linewidth": 1.2}
            epochs, better = zip(*expected.better, strict=True)
            marker = "." if len(epochs) == 1 else ""
            name = "random search, expected"
            axes.plot(epochs, better, marker=marker, label=None if expected.worse else name, **grey)
            if expected.worse:
                worse = [value for _, value in expected.worse]
                axes.plot(epochs, worse, marker=marker, **grey)
                axes.fill_between(
                    epochs, worse, better, color=SIDE_COLOURS["before"], alpha=0.2, linewidth=0, label=name
                )
        epochs, best = zip(*course.points, strict=True)
        axes.step(epochs, best, where="post", color=SERIES_COLOURS[0], label="this search, by index", zorder=3)
        axes.plot(epochs[:-1], best[:-1], ".", color=SERIES_COLOURS[0], markersize=5, zorder=3)
        axes.set_xlabel(f"{course.unit.capitalize()} of all runs together")
        share = numbers.is_share(course.metric)
        axes.set_ylabel(plain(numbers.as_heading(course.metric)) + (" (%)" if share else ""))
        if share:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        axes.set_xlim(left=0)
        axes.set_ylim(ylim)
        figure.legend(loc="outside lower left", ncols=1, fontsize=8, handlelength=1.8)
        return figure
