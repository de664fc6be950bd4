"""The layers of a network as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from cnnjobs.console.terminal import say, show

if TYPE_CHECKING:
    from cnnjobs.report.layers import LayerTable


def show_layers(table: LayerTable, title: str) -> None:
    """One row per layer: output shape, parameters, multiply-accumulates; then the totals."""
    say(f"{title}, input {_shape(table.input_shape)}", style="bold")
    rows = Table(box=None, pad_edge=False)
    rows.add_column("layer")
    rows.add_column("kind")
    for heading in ("output shape", "parameters", "MACs"):
        rows.add_column(heading, justify="right")
    for layer in table.layers:
        shape = _shape(layer.output_shape) if layer.output_shape else "" if layer.called else "never called"
        parameters = f"{layer.parameters:,}" + (" shared" if layer.shared else "")
        rows.add_row(layer.name, layer.kind, shape, parameters, f"{layer.macs:,}" if layer.macs else "")
    show(rows)
    frozen = f" ({table.frozen:,} frozen)" if table.frozen else ""
    say(f"{table.parameters:,} parameters{frozen}, {table.macs:,} MACs", style="bold")


def _shape(shape: tuple[int, ...]) -> str:
    """Without the batch: (1, 32, 16, 16) -> `32 x 16 x 16`."""
    return " x ".join(map(str, shape[1:]))
