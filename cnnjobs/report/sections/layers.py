"""Tables of a network's layers: shapes, parameters, multiply-accumulates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from cnnjobs.disk.layer_tables import Layer, LayerTable, Stage, stage_names
from cnnjobs.report.results.files import Grid


def layers_frame(table: LayerTable) -> pd.DataFrame:
    """A row per layer for programs: shapes with the batch, the stage that it belongs to, what no other row counts."""
    frame = pd.DataFrame(list(map(layer_facts, table.layers)), dtype=object)
    frame.insert(2, "stage", stage_names([layer.name for layer in table.layers]))
    for column in frame.columns:
        cells = ["x".join(map(str, each)) if isinstance(each, tuple) else each for each in frame[column]]
        frame[column] = pd.Series(cells, dtype=object)
    return frame


def layer_facts(layer: Layer) -> dict[str, Any]:
    """All that is known of a layer in one mapping; None where it has no such thing."""
    facts = asdict(layer)
    design: dict[str, Any] = facts.pop("design")
    return facts | design


def layers_grid(table: LayerTable, *, with_batch: bool = False) -> Grid:
    """A row per layer, as in the tables of papers: what it is, what goes in and comes out, what it costs."""
    rows = []
    for layer in table.layers:
        shapes = (_shape_text(layer.input_shape, with_batch), _output(layer, with_batch))
        rows.append((layer.name, layer.kind, *shapes, *_costs(layer, layer.shared)))
    rows.append(("total", "", "", "", *_costs(table)))
    return _grid(("layer", "type"), ("input shape", "output shape"), rows, table)


def stages_grid(table: LayerTable, *, with_batch: bool = False) -> Grid:
    """A row per part of the network with the sums of its layers; empty where every part is one layer."""
    rows = [(stage.name, _shape_text(stage.output_shape, with_batch), *_costs(stage)) for stage in table.stages]
    return _grid(("stage",), ("output shape",), [*rows, ("total", "", *_costs(table))] if rows else [], table)


def _grid(words: tuple[str, ...], shapes: tuple[str, ...], rows: Sequence[tuple[str, ...]], table: LayerTable) -> Grid:
    """The columns of both tables; which parameters train is told only where some do not."""
    columns = (*words, *shapes, "parameters", "trainable", _macs_heading(table))
    if not table.frozen:
        place = columns.index("trainable")
        columns, *rows = ((*row[:place], *row[place + 1 :]) for row in (columns, *rows))
    return Grid(columns, tuple(rows), labels=len(words), marked=len(rows) - 1 if rows else None)


def _macs_heading(table: LayerTable) -> str:
    images = table.input_shape[0]
    return "multiply-accumulates" if images == 1 else f"multiply-accumulates of {images:,} images"


def _costs(part: Layer | Stage | LayerTable, shared: bool = False) -> tuple[str, str, str]:
    parameters = " ".join(filter(None, (_count(part.parameters), "shared" if shared else "")))
    return parameters, _count(part.trainable), _count(part.macs)


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _output(layer: Layer, with_batch: bool) -> str:
    if layer.output_shape is None:
        if layer.called:
            return "no tensor"
        return "used without a call" if layer.used else "never called"
    return _shape_text(layer.output_shape, with_batch)


def _shape_text(shape: tuple[int, ...] | None, with_batch: bool) -> str:
    """`32×16×16`, or with the batch `64×32×16×16`."""
    return "" if shape is None else "×".join(map(str, shape if with_batch else shape[1:]))
