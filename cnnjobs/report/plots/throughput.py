"""Images per second over the batch size."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from cnnjobs.config.run import RunConfig
from cnnjobs.figures.drawing.style import SERIES_COLOURS, plain, style
from cnnjobs.report.plots.axes import WIDTH
from cnnjobs.report.results.table import ResultsTable

Points = list[tuple[int, float]]
_HEIGHT = 2.65
_MARKERS = "os^DvPXp"


def speeds(table: ResultsTable) -> dict[str, Points]:
    """By network and device: batch sizes with the median images/s of their runs; none where no batch size differs."""
    found: dict[str, dict[int, list[float]]] = {}
    for run in table.sweep.runs:
        rates = [line["images_per_s"] for line in table.lines[run.run_id] if line.get("images_per_s")]
        attempts = table.records[run.run_id].attempts
        if rates and isinstance(run.config, RunConfig):
            device = attempts[-1].device if attempts and attempts[-1].device else ""
            name = f"{run.config.kind_name}{f' on {device}' if device else ''}"
            found.setdefault(name, {}).setdefault(run.config.batch_size, []).append(statistics.median(rates))
    series = {
        name: [(size, statistics.median(own)) for size, own in sorted(sizes.items())] for name, sizes in found.items()
    }
    return {name: points for name, points in series.items() if len(points) > 1}


def throughput(series: Sequence[tuple[str, Points]]) -> Figure:
    """A line for each network on each device, batch sizes by their logarithms."""
    with style():
        figure = Figure(figsize=(WIDTH, _HEIGHT + 0.19 * len(series)), layout="constrained")
        axes = figure.add_subplot()
        for number, (name, points) in enumerate(series):
            look: dict[str, Any] = {
                "color": SERIES_COLOURS[number % len(SERIES_COLOURS)],
                "marker": _MARKERS[number % len(_MARKERS)],
            }
            axes.plot(*zip(*points, strict=True), label=plain(name), markersize=4, **look)
        axes.set(xscale="log", xlabel="Batch size", ylabel="Images per second (training)")
        axes.set_title("Images per second over the batch size")
        sizes = sorted({size for _, points in series for size, _ in points})
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        figure.legend(loc="outside lower left")
        return figure
