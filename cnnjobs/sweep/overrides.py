"""Settings in layers: `base`, over it a variant, over it one point of the parameters.

A layer is {dotted key: Node}. `model: {name: cnn, dropout: 0.1}` and `model: cnn` with `model.dropout: 0.1` are the
same layer. Setting `model` replaces the component with all options of the layers below; `model.dropout` changes one
option of whatever model is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cnnjobs import registry
from cnnjobs.config.run import COMPONENTS, RunConfig
from cnnjobs.config.yaml import Findings, Node, is_mapping, shown
from cnnjobs.errors import UnknownNameError

Layer = dict[str, Node]

ABSENT: Final = object()
_VARIED: Final = {"value", "values", "min", "max", "distribution"}

_DEFAULTS: Final = {
    key: list(field.default) if isinstance(field.default, tuple) else field.default
    for key, field in RunConfig.model_fields.items()
    if not field.is_required()
}


@dataclass(frozen=True)
class Naming:
    """The names that settings of a sweep may have: those of a network's training, or any at all.

    `paths` are the places of nested parameters by their dotted names, as they were written.
    """

    components: tuple[str, ...] = COMPONENTS
    defaults: Mapping[str, Any] = field(default_factory=lambda: _DEFAULTS)
    is_free: bool = False
    paths: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def bare(self, key: str) -> str:
        """`model.name` is `model`."""
        return key.removesuffix(".name") if key.removesuffix(".name") in self.components else key

    def flat(self, key: str, node: Node) -> Layer:
        """One setting as a layer: a component written as a mapping becomes its name and its options."""
        key = self.bare(key)
        if key in self.components and isinstance(node.value, dict) and node.value:
            return {self.bare(f"{key}.{option}"): inner for option, inner in node.value.items()}
        return {key: node}

    def merge(self, *layers: Mapping[str, Node]) -> Layer:
        """The layers over each other, the last on top."""
        merged: Layer = {}
        for layer in layers:
            replaced = tuple(f"{kind}." for kind in self.components if kind in layer)
            if replaced and merged:
                merged = {key: node for key, node in merged.items() if not key.startswith(replaced)}
            merged.update(layer)
        return merged

    def lookup(self, layer: Mapping[str, Node], key: str) -> Any:
        """The plain value that a run with these settings has under a dotted key, defaults included, or ABSENT."""
        if key in layer:
            return layer[key].plain
        kind, _, option = key.partition(".")
        if not option:
            return self.defaults.get(kind, ABSENT)
        name = self.lookup(layer, kind) if kind in self.components else ABSENT
        if not isinstance(name, str):
            return ABSENT
        try:
            parameter = registry.find(kind, name).parameters.get(option)
        except UnknownNameError:
            return ABSENT
        if parameter is None or parameter.default is registry.REQUIRED:
            return ABSENT
        return list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default


OF_NETWORKS: Final = Naming()


def names_values(node: Node) -> bool:
    """Check whether it says which values are to be tried, as only `parameters` may."""
    return isinstance(node.value, dict) and "name" not in node.value and not _VARIED.isdisjoint(node.value)


def read_layer(node: Node, place: str, findings: Findings, names: Naming) -> Layer:
    """A mapping of nested or dotted run keys; a key that is set twice in it is a mistake."""
    layer: Layer = {}
    if not is_mapping(node, place, findings):
        return layer
    for key, value in node.value.items():
        if names_values(value):
            forms = ", ".join(f"`{name}`" for name in value.value)
            remedy = f"write parameters: {{{key}: {shown(value.plain)}}}, or here {key} with one value"
            findings.mistake(value.line, f"{place}.{key}", f"found {forms}, as in `parameters`", remedy)
            continue
        for dotted, inner in names.flat(key, value).items():
            if dotted in layer:
                found = f"`{dotted}` is set twice, first in line {layer[dotted].line}"
                findings.mistake(inner.line, f"{place}.{key}", found, "keep one of them")
            layer.setdefault(dotted, inner)
    return layer


def nest(layer: Mapping[str, Node]) -> dict[str, Any]:
    """Plain nested values, as RunConfig reads them; options of a component that nobody named go to the default one."""
    nested: dict[str, Any] = {}
    for key, node in layer.items():
        kind, _, option = key.partition(".")
        if kind not in COMPONENTS:
            nested[key] = node.plain
        elif option:
            nested.setdefault(kind, {})[option] = node.plain
        else:
            nested.setdefault(kind, {})["name"] = node.plain
    for kind in COMPONENTS:
        if kind in nested and "name" not in nested[kind] and kind in _DEFAULTS:
            nested[kind]["name"] = _DEFAULTS[kind]
        elif kind in nested and not isinstance(nested[kind].get("name", ""), str):
            nested[kind] = nested[kind]["name"]
    return nested


def node_at(layer: Mapping[str, Node], key: str) -> Node | None:
    """The node that a mistake at a dotted key (`augment.0.padding`) is about, or the nearest one around it."""
    parts = key.split(".")
    for length in range(len(parts), 0, -1):
        start = layer.get(".".join(parts[:length]))
        if start is not None:
            return start.at(parts[length:])
    # A component that nobody named: the first of its options.
    return next((node for name, node in layer.items() if name.startswith(f"{parts[0]}.")), None)
