"""Sections on the runs themselves: missing ones, their settings, networks, cost and environment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from cnnjobs.report.results.files import Grid
from cnnjobs.report.results.table import Choice, ResultsTable
from cnnjobs.report.sections import summary, tables
from cnnjobs.report.sections.best import best_sweep
from cnnjobs.report.sections.cost import cost_grid, costs_grid
from cnnjobs.report.text import numbers
from cnnjobs.report.text.blocks import Block, Code, Details, Items, Section, Table, paragraph

if TYPE_CHECKING:
    from cnnjobs.report.sections.architectures import Architecture

_MANY: Final = 12
_MOST_TRACEBACKS: Final = 20
_COST: Final = (
    "CPU hours: the threads of a start times its length. GPU hours: its length; a GPU that runs share counts for each. "
    "Runs that are trained as one network share its length. Epochs, training time and images/s are means over the "
    "finished runs; images/s is the median over the validations of a run, training alone."
)
_NETWORKS: Final = (
    "Activation: what is applied to a layer's output next; the last ones are logits, which the loss turns into shares. "
    "Shapes are those of one image. Multiply-accumulates of one image: convolutions, matrix products; no biases."
)
_NETWORK_TABLES: Final = (("Design", "design"), ("Layers", "network"), ("Stages", "stages"))


def unfinished(table: ResultsTable) -> Iterator[Block]:
    """Runs that failed, were stopped, run or wait: how many for which cause where they are many, then each."""
    grid = tables.unfinished_grid(table)
    every = Table(grid, "Runs without a result, and why", "unfinished", sortable=True)
    if len(grid.rows) > _MANY:
        yield Table(tables.causes_grid(table), "Runs without a result by cause", "causes")
        yield Details(f"Every run without a result ({len(grid.rows):,})", (every,))
    elif grid.rows:
        yield every
    failed: dict[str, list[str]] = {}
    for record in table.records.values():
        if record.traceback:
            failed.setdefault(record.traceback, []).append(record.run_id)
    for traceback, (first, *others) in [*failed.items()][:_MOST_TRACEBACKS]:
        more = f" and {len(others):,} more" if others else ""
        yield Details(f"Traceback of {first}{more}", (Code(traceback),))
    if len(failed) > _MOST_TRACEBACKS:
        yield paragraph(
            f"{_MOST_TRACEBACKS} of {len(failed):,} tracebacks; record.json of each run has its own.", faint=True
        )


def configuration(table: ResultsTable, ranked: list[Choice]) -> Iterator[Block]:
    """Everything that it takes to train the same runs again."""
    varying, shared = tables.settings_grids(table)
    if varying.rows:
        yield Table(varying, "What differs between the runs", "varying")
    choices = tables.choices_grid(table)
    if len(choices.rows) > 1:
        caption = f"What each configuration sets otherwise than {choices.rows[0][0]}"
        yield Table(choices, caption, "choices", sortable=True)
    if shared.rows:
        yield Table(shared, "What all runs share", "shared")
    yield Details("The sweep file", (Code(table.sweep.text),))
    best = best_sweep(table, ranked)
    if best:
        yield Details("best.yaml: the best configuration as a sweep file, ready to run", (Code(best),))


def networks(found: Sequence[Architecture], ranked: list[Choice]) -> Iterator[Block]:
    """The network of the best configuration first."""
    from cnnjobs.report.sections.design_grid import design_notes

    if not found:
        return
    ranks = {choice.configuration.label: rank for rank, choice in enumerate(ranked)}
    in_order = sorted(found, key=lambda each: min(ranks.get(label, len(ranks)) for label in each.labels))
    for number, architecture in enumerate(in_order, 1):
        title, drawn, used_by = _network(architecture)
        blocks: list[Block] = [paragraph(used_by, faint=True)]
        for grid, (what, name) in zip(drawn, _NETWORK_TABLES, strict=False):
            blocks.append(Table(grid, f"{what} of {architecture.title}", f"{name}-{number}"))
        blocks += [paragraph(note) for note in (design_notes(architecture.table) if architecture.table else ())]
        yield Details(title, tuple(blocks), is_open=number == 1)
    yield paragraph(_NETWORKS, faint=True)


def _network(architecture: Architecture) -> tuple[str, list[Grid], str]:
    """A network's title, its layers with the sums of its stages, and who uses it."""
    from cnnjobs.report.sections.design_grid import design_grid
    from cnnjobs.report.sections.layers import layers_grid, stages_grid

    table, used = architecture.table, len(architecture.labels)
    drawn: list[Grid] = []
    if table is None:
        title = f"{architecture.title}: {architecture.problem}"
    else:
        frozen = f", {table.frozen:,} of them frozen" if table.frozen else ""
        cost = f"{numbers.quantity(table.macs)} multiply-accumulates"
        title = f"{architecture.title}: {table.parameters:,} parameters{frozen}, {cost}"
        drawn = [grid for grid in (design_grid(table), layers_grid(table), stages_grid(table)) if grid.rows]
    return title, drawn, f"{numbers.counted(used, 'configuration')}: {'; '.join(architecture.labels)}"


def environment(table: ResultsTable) -> Iterator[Block]:
    """Environment of the runs, with remarks."""
    yield Table(tables.environment_grid(table), "Code, versions, machines and data", "environment")
    remarks = summary.remarks(table)
    if remarks:
        yield Section("Remarks", (Items(tuple(remarks)),))


def cost(table: ResultsTable, ranked: list[Choice]) -> Iterator[Block]:
    """Hours, time in the queue, speed."""
    grid = cost_grid(table)
    if grid.rows:
        yield Table(grid, "What the whole sweep has cost", "cost")
    if ranked:
        yield Table(costs_grid(table, ranked), "What each configuration has cost", "costs", sortable=True)
        yield paragraph(_COST, faint=True)
