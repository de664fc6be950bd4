"""The learning rates of a sweep: each one that changes while a network is trained, once."""

from __future__ import annotations

from collections.abc import Sequence

from cnnjobs.report.results.table import Configuration, ResultsTable
from cnnjobs.report.text import numbers

Points = tuple[tuple[float, float], ...]
"""Epochs with the rate after them."""


def changing_rates(table: ResultsTable, configurations: Sequence[Configuration]) -> list[tuple[str, Points]]:
    """A label and the rates of every schedule that changes; of equal ones the longest, with how many have it."""
    found: list[tuple[Points, list[Configuration]]] = []
    longest = [(max((_points(table, run.run_id) for run in each.runs), key=len), each) for each in configurations]
    for points, configuration in sorted(longest, key=lambda pair: -len(pair[0])):
        if len({rate for _, rate in points}) < 2:
            continue
        known = next((own for whole, own in found if whole[: len(points)] == points), None)
        if known is None:
            found.append((points, [configuration]))
        else:
            known.append(configuration)
    return [(_label(own), points) for points, own in found]


def _points(table: ResultsTable, run_id: str) -> Points:
    lines = table.lines[run_id]
    return tuple((line["epoch"], line["lr"]) for line in lines if line.get("lr") is not None)


def _label(configurations: Sequence[Configuration]) -> str:
    config = configurations[0].runs[0].network
    named = configurations[0].label if len(configurations) == 1 else f"{len(configurations):,} configurations"
    return f"{config.schedule.name}, lr {numbers.brief(config.lr)}: {named}"
