"""Sections of a sweep of a program: metrics of any name, as they were reported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cnnjobs.report.plots.catalogue import Drawings
from cnnjobs.report.results.table import Choice, ResultsTable
from cnnjobs.report.text.blocks import Block, Pictures, paragraph

REPORTED: Final = (
    "A row per configuration, the best by {metric} first. {spread}; of each metric the value that the program reported "
    "last, or its best where the sweep file says so."
)
_STEPS: Final = (
    "As the programs have reported them. Lines are means over seeds, the band ± 1 standard deviation, where all seeds "
    "report at the same steps; else every seed has a line of its own."
)


def nothing_best(table: ResultsTable) -> str:
    """Why no configuration is the best."""
    metric = table.sweep.metric.name
    if not table.finished(table.sweep.runs):
        return "No run has finished yet."
    if not metric:
        return "The sweep file names no metric, so none is the best: add metric: {name: ..., goal: ...}."
    return f"No run has reported {metric}, so none is the best."


def reported(ranked: list[Choice], drawings: Drawings) -> Iterator[Block]:
    """The curves of programs."""
    drawn = drawings.metrics(ranked)
    if drawn:
        yield paragraph(_STEPS)
        yield Pictures(tuple(drawn))
