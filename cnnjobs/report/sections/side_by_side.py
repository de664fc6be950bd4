"""Several sweeps in one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from cnnjobs.config.kinds import AnyConfig
from cnnjobs.config.run import RunConfig
from cnnjobs.report.results.files import Grid
from cnnjobs.report.results.table import Choice, ResultsTable
from cnnjobs.report.sections.summary import seeds_text
from cnnjobs.report.text import numbers
from cnnjobs.report.text.blocks import Block, Details, Table, paragraph
from cnnjobs.sweep.settings import METRICS

_BEST: Final = (
    "The best configuration of each sweep, chosen by its own metric; mean ± standard deviation over the seeds "
    "that finished, with the weights of the lowest validation loss of each run. None was chosen by its test accuracy."
)
_DIFFERENT: Final = "They are of different data ({}): their numbers are not to be compared with each other."


def side_by_side(tables: Sequence[ResultsTable]) -> Iterator[Block]:
    """The best of each sweep, and all configurations of all of them."""
    ranked = [table.ranked() for table in tables]
    metrics = [name for name in METRICS if any(name in table.metrics for table in tables)]
    best = [_row(table, choices[0], metrics) for table, choices in zip(tables, ranked, strict=True) if choices]
    none = [(table.sweep.name, "no run has finished yet", *[""] * (2 + len(metrics))) for table in tables]
    missing = [row for row, choices in zip(none, ranked, strict=True) if not choices]
    yield paragraph(_BEST)
    yield Table(_grid([*best, *missing], metrics), "The best of each sweep", "sweeps", sortable=True)
    data = dict.fromkeys(_data(run.config) for table in tables for run in table.sweep.runs)
    if len(data) > 1:
        yield paragraph(_DIFFERENT.format(numbers.listed([*data])))
    every = [_row(table, choice, metrics) for table, choices in zip(tables, ranked, strict=True) for choice in choices]
    if len(every) > len(best):
        table = Table(_grid(every, metrics), "Every configuration of all sweeps", "configurations", sortable=True)
        yield Details(f"Every configuration of all sweeps ({len(every):,})", (table,))


def _data(config: AnyConfig) -> str:
    return config.dataset.name if isinstance(config, RunConfig) else config.kind_name


def _row(table: ResultsTable, choice: Choice, metrics: Sequence[str]) -> tuple[str, ...]:
    runs = choice.configuration.runs
    cells = [numbers.mean_and_sd(name, table.summary(runs, name)) for name in metrics]
    label = choice.configuration.label
    return table.sweep.name, label, _data(runs[0].config), seeds_text(choice.summary.n, len(runs)), *cells


def _grid(rows: Sequence[tuple[str, ...]], metrics: Sequence[str]) -> Grid:
    names = [numbers.metric_name(name) for name in metrics]
    return Grid(("sweep", "configuration", "data", "seeds", *names), tuple(rows), labels=3)
