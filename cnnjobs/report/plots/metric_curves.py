"""Curves of what programs report: any metric over its steps, a line for each configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from cnnjobs.figures.drawing.style import SERIES_COLOURS, plain, style
from cnnjobs.report.plots.axes import WIDTH, Limits
from cnnjobs.report.results.table import Configuration, ResultsTable

Curve = list[tuple[float, float]]
"""(step, value) of one run."""


class Series(NamedTuple):
    """Curves of the runs of a configuration; `ended` says how they ended, where none of them has finished."""

    label: str
    curves: list[Curve]
    ended: str = ""


MOST_METRICS: Final = 6
_MOST_SERIES: Final = 8
_HEIGHT: Final = 2.65
_LEGEND_LINE: Final = 0.19
_LABEL_LETTERS: Final = 44
_THIN: Final = 0.9


def curve_metrics(table: ResultsTable) -> list[str]:
    """The metrics that some run has reported more than once: that of the sweep first, MOST_METRICS at most."""
    counts: dict[str, int] = {}
    for lines in table.lines.values():
        for name in table.metrics:
            counts[name] = max(counts.get(name, 0), sum(_is_number(line.get(name)) for line in lines))
    return [name for name in table.metrics if counts.get(name, 0) > 1][:MOST_METRICS]


def series_of(table: ResultsTable, configurations: Sequence[Configuration], metric: str) -> list[Series]:
    """The curves of these configurations that have any, as many as can be told apart."""
    found = []
    for configuration in configurations:
        curves = [_curve(table.lines[run.run_id], metric) for run in configuration.runs]
        if any(curves):
            found.append(
                Series(configuration.label, [curve for curve in curves if curve], _ended(table, configuration))
            )
    return found[:_MOST_SERIES]


def metric_figure(metric: str, series: Sequence[Series], limits: Limits) -> Figure:
    """Means over seeds with ± 1 sd where all report at the same steps, else each seed's line; unfinished ones thin."""
    with style():
        figure = Figure(figsize=(WIDTH, _HEIGHT + _LEGEND_LINE * len(series)), layout="constrained")
        axes = figure.add_subplot()
        for number, (label, curves, ended) in enumerate(series):
            width = _THIN if ended else 1.6
            look: dict[str, Any] = {"color": SERIES_COLOURS[number % len(SERIES_COLOURS)], "linewidth": width}
            name = f"{plain(label)[:_LABEL_LETTERS]}{f', {ended}' if ended else ''}"
            steps = [tuple(step for step, _ in curve) for curve in curves]
            if len(curves) > 1 and len(set(steps)) == 1:
                values = np.array([[value for _, value in curve] for curve in curves])
                mean, sd = values.mean(axis=0), values.std(axis=0, ddof=1)
                axes.plot(steps[0], mean, label=f"{name} ± 1 sd", **look)
                axes.fill_between(steps[0], mean - sd, mean + sd, color=look["color"], alpha=0.18, linewidth=0)
                continue
            for index, curve in enumerate(curves):
                thin = {**look, "linewidth": _THIN} if len(curves) > 1 else look
                axes.plot(*zip(*curve, strict=True), label=name if index == 0 else None, **thin)
        axes.set_xlabel("Step")
        axes.set_ylabel(plain(metric))
        axes.set_ylim(limits)
        figure.legend(loc="outside lower left", ncols=1, fontsize=8, handlelength=1.8)
    return figure


def _ended(table: ResultsTable, configuration: Configuration) -> str:
    if table.finished(configuration.runs):
        return ""
    return "stopped early" if all(table.stopped_at(run.run_id) for run in configuration.runs) else "not finished"


def _curve(lines: Sequence[Mapping[str, Any]], metric: str) -> Curve:
    return [(line["step"], line[metric]) for line in lines if _is_number(line.get(metric))]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
