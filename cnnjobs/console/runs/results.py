"""The results table: one row per configuration, mean and spread over its seeds, the best one first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.table import Table

from cnnjobs.console.terminal import say, show
from cnnjobs.sweep.settings import SHARES

if TYPE_CHECKING:
    from cnnjobs.report.results.table import ResultsTable

_MOST: Final = 4
_METRICS: Final = ("validation.accuracy", "test.accuracy", "test.loss")


def show_results(results: ResultsTable) -> None:
    """Show the configurations' differences and results; those without a finished run stand last."""
    from cnnjobs.report.results.statistics import summarise

    ranked = [choice.configuration for choice in results.ranked()]
    rest = [configuration for configuration in results.configurations if configuration not in ranked]
    metrics = list(dict.fromkeys((results.sweep.metric.name, *_METRICS)))
    if results.sweep.is_of_program:
        metrics = results.metrics[:_MOST]
    table = Table(box=None, pad_edge=False)
    table.add_column("configuration")
    for heading in (*(metric.replace(".", " ") for metric in metrics), "runs"):
        table.add_column(heading, justify="right")
    for place, configuration in enumerate((*ranked, *rest)):
        values = [results.values(configuration.runs, metric) for metric in metrics]
        cells = [
            _cell(metric, summarise(found).mean, summarise(found).sd if len(found) > 1 else None) if found else ""
            for metric, found in zip(metrics, values, strict=True)
        ]
        finished, asked = len(results.finished(configuration.runs)), len(configuration.runs)
        count = str(asked) if finished == asked else f"{finished} of {asked}"
        table.add_row(configuration.label, *cells, count, style="bold" if place == 0 and finished else None)
    show(table)
    if any(len(configuration.runs) > 1 for configuration in results.configurations):
        say("mean ± standard deviation over the finished runs of each configuration")


def _cell(metric: str, mean: float, sd: float | None) -> str:
    if metric in SHARES:
        return f"{100 * mean:.2f} %" if sd is None else f"{100 * mean:.2f} ± {100 * sd:.2f} %"
    return f"{mean:.4f}" if sd is None else f"{mean:.4f} ± {sd:.4f}"
