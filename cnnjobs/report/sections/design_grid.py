"""Settings of the layers of a network, as in the tables of papers and assignments."""

from __future__ import annotations

from cnnjobs.components.activations import is_activation, is_monotone
from cnnjobs.disk.layer_tables import Layer, LayerTable
from cnnjobs.report.results.files import Grid
from cnnjobs.report.text import numbers

_COLUMNS = ("layer", "type", "filters or units", "kernel", "stride", "padding", "activation")


def design_grid(table: LayerTable) -> Grid:
    """A row per layer but activations, which stand in the row of the layer that they follow."""
    rows = [_row(layer) for layer in table.layers if not is_activation(layer.kind)]
    return Grid(_COLUMNS, tuple(rows), labels=2)


def design_notes(table: LayerTable) -> list[str]:
    """Notes on an order of layers that is easily misread: poolings between a layer and its activation."""
    found: dict[tuple[str, bool], list[str]] = {}
    for layer in table.layers:
        design = layer.design
        if design.pooled_first:
            largest = all("max" in kind.lower() for kind in _kinds(table, design.pooled_first))
            same = largest and is_monotone(design.activation)
            found.setdefault((design.activation, same), []).extend(design.pooled_first)
    results = {
        True: "as the largest value is taken and the activation never falls, the results are those of the usual order",
        False: "the results are not those of the usual order",
    }
    return [
        f"Pooling comes before {activation} ({numbers.listed([*dict.fromkeys(names)])}): {results[same]}."
        for (activation, same), names in found.items()
    ]


def _kinds(table: LayerTable, names: tuple[str, ...]) -> list[str]:
    """Kinds of these poolings: the kinds of modules, and functions as they are called."""
    kinds = {layer.name: layer.kind for layer in table.layers}
    return [kinds.get(name, name) for name in names]


def _row(layer: Layer) -> tuple[str, ...]:
    design = layer.design
    kind = layer.kind if design.dropped is None else f"{layer.kind}, p {design.dropped:g}"
    units = "" if design.units is None else f"{design.units:,}"
    kernel = _size(design.kernel)
    if design.dilation and set(design.dilation) != {1}:
        kernel += f", dilation {_short(design.dilation)}"
    if design.groups and design.groups > 1:
        units += f" in {design.groups:,} groups"
    return layer.name, kind, units, kernel, _short(design.stride), _short(design.padding), design.activation


def _size(size: tuple[int, ...] | str | None) -> str:
    """`5×5`."""
    return size or "" if size is None or isinstance(size, str) else "×".join(map(str, size))


def _short(size: tuple[int, ...] | str | None) -> str:
    """`2` where all dimensions have the same."""
    return str(size[0]) if isinstance(size, tuple) and len(set(size)) == 1 else _size(size)
