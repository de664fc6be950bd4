"""The layers of a network as a table, or in another form."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

from rich.table import Table

from cnnjobs.console.terminal import say, show, write

if TYPE_CHECKING:
    from cnnjobs.disk.layer_tables import LayerTable
    from cnnjobs.report.results.files import Grid


def show_layers(
    table: LayerTable,
    title: str,
    form: Literal["table", "md", "tex", "csv", "json"] = "table",
    *,
    with_batch: bool = False,
) -> None:
    """Show the settings, shapes and costs of layers and stages; as CSV the layers alone, as JSON everything."""
    from cnnjobs.report.results.files import csv_bytes, markdown, markdown_text, tex
    from cnnjobs.report.sections.design_grid import design_grid, design_notes
    from cnnjobs.report.sections.layers import layers_frame, layers_grid, stages_grid

    shape = "×".join(map(str, table.input_shape if with_batch else table.input_shape[1:]))
    heading = f"{title}, input {shape}"
    shapes = [layers_grid(table, with_batch=with_batch), stages_grid(table, with_batch=with_batch)]
    grids = [grid for grid in (design_grid(table), *shapes) if grid.rows]
    notes = design_notes(table)
    if form == "csv":
        write(csv_bytes(layers_frame(table)).decode().removesuffix("\n"))
    elif form == "json":
        write(_json(table, title))
    elif form == "md":
        told = [f"{markdown_text(note)}\n" for note in notes]
        write("\n".join([f"{markdown_text(heading)}\n", *map(markdown, grids), *told]).removesuffix("\n"))
    elif form == "tex":
        told = [f"% {note}" for note in notes]
        write("\n".join([f"% {heading}", *map(tex, grids), *told]).removesuffix("\n"))
    else:
        say(heading, style="bold")
        for grid in grids:
            if grid is not grids[0]:
                say()
            show(_rich(grid))
            for note in notes if grid is grids[0] else ():
                say(note)
        if table.frozen:
            say(f"{table.trainable:,} of {table.parameters:,} parameters train, {table.frozen:,} are frozen")


def _json(table: LayerTable, title: str) -> str:
    from cnnjobs.report.sections.design_grid import design_notes
    from cnnjobs.report.sections.layers import layer_facts

    totals = {name: getattr(table, name) for name in ("input_shape", "parameters", "trainable", "frozen", "macs")}
    parts = {"layers": list(map(layer_facts, table.layers)), "stages": list(map(asdict, table.stages))}
    return json.dumps({"title": title, **totals, **parts, "notes": design_notes(table)}, indent=1)


def _rich(grid: Grid) -> Table:
    table = Table(box=None, pad_edge=False)
    for place, column in enumerate(grid.columns):
        table.add_column(column, justify="left" if place < grid.labels else "right")
    for place, row in enumerate(grid.rows):
        table.add_row(*row, style="bold" if place == grid.marked else None)
    return table
