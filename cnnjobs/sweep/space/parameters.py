"""`parameters:` in W&B's forms -> axes; `zip:` ties some of them together.

parameters:
  lr: {values: [0.1, 0.01]}                                   # or {value: 0.1}
  batch_size: {min: 16, max: 64}                              # whole numbers: int_uniform; any float: uniform
  weight_decay: {distribution: log_uniform_values, min: 1e-5, max: 1e-2}
  optimizer: {parameters: {momentum: {values: [0, 0.9]}}}     # the same as optimizer.momentum: {values: [0, 0.9]}
zip:
  - [lr, batch_size]                                          # first with first, second with second, ...
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final

from cnnjobs import registry
from cnnjobs.config.run import read_options
from cnnjobs.config.yaml import Findings, Node, is_list, is_mapping, shown
from cnnjobs.errors import UnknownNameError, suggest
from cnnjobs.sweep.overrides import Naming
from cnnjobs.sweep.space.distributions import Distribution
from cnnjobs.sweep.space.samplers import Axis

_KEYS: Final = (
    "value",
    "values",
    "probabilities",
    "min",
    "max",
    "distribution",
    "mu",
    "sigma",
    "q",
    "a",
    "b",
    "parameters",
)

# What other tools call the same.
_THEIRS: Final = {
    **dict.fromkeys(("choices", "options", "vals", "choice", "list"), "values: [...]"),
    **dict.fromkeys(("low", "lower", "minval", "min_value"), "min: ..."),
    **dict.fromkeys(("high", "upper", "maxval", "max_value"), "max: ..."),
    **dict.fromkeys(("range", "bounds"), "min: ... and max: ..."),
    **dict.fromkeys(("type", "_type"), "distribution: uniform, log_uniform_values or another of docs/sweep-file.md"),
    **dict.fromkeys(("log", "log_scale"), "distribution: log_uniform_values"),
    "step": "distribution: q_uniform and q: ...",
    "std": "sigma: ...",
    "mean": "mu: ...",
}

_LISTING: Final = ("constant", "categorical", "categorical_w_probabilities")


def read_parameters(node: Node, findings: Findings, names: Naming) -> tuple[list[Axis], frozenset[str]]:
    """The axes of `parameters`, names sorted, and the names that could not be read; what is wrong becomes mistakes."""
    axes: dict[str, Axis | None] = {}
    if is_mapping(node, "parameters", findings):
        _read_level(node, (), axes, findings, names)
    readable = {name: axis for name, axis in axes.items() if axis is not None}
    return [readable[name] for name in sorted(readable)], frozenset(axes.keys() - readable.keys())


def _read_level(
    node: Node, above: tuple[str, ...], axes: dict[str, Axis | None], findings: Findings, names: Naming
) -> None:
    for key, inner in node.value.items():
        path = (*above, str(key))
        name = names.bare(".".join(path))
        place = f"parameters.{name}"
        if isinstance(inner.value, dict) and "parameters" in inner.value:
            nested = inner.value["parameters"]
            for other in inner.value.keys() - {"parameters"}:
                findings.mistake(
                    inner.value[other].line, f"{place}.{other}", "stands beside `parameters`", "keep one of them"
                )
            if is_mapping(nested, f"{place}.parameters", findings):
                _read_level(nested, path, axes, findings, names)
        elif name in axes:
            findings.mistake(inner.line, place, f"`{name}` is given twice", "keep one of them")
        elif _is_nested(inner):
            findings.notice(inner.line, place, f"read as {name}: {{parameters: ...}}, with the names in it after a dot")
            _read_level(inner, path, axes, findings, names)
        else:
            distribution = _read_parameter(place, inner, findings)
            axes[name] = None if distribution is None else _axis(name, inner, distribution)
            names.paths[name] = path


def _is_nested(node: Node) -> bool:
    """Check whether it holds parameters with names of their own, in place of the form of one."""
    inner = node.value.items() if isinstance(node.value, dict) else ()
    return bool(inner) and all(
        key not in _KEYS and isinstance(each.value, dict) and not each.value.keys().isdisjoint(_KEYS)
        for key, each in inner
    )


def _axis(name: str, node: Node, distribution: Distribution) -> Axis:
    def row(value: Any) -> tuple[Node, ...]:
        return (value if isinstance(value, Node) else Node(value, node.line),)

    def draw(random: Random) -> tuple[Node, ...]:
        try:
            return row(distribution.draw(random))
        except OverflowError:
            return row(math.inf)

    rows = None if distribution.points is None else [row(value) for value in distribution.points]
    quantile = distribution.quantile
    at = None if quantile is None else lambda share: row(quantile(share))
    return Axis((name,), node.line, rows, draw, distribution.why_no_grid, at)


def _read_parameter(place: str, node: Node, findings: Findings) -> Distribution | None:
    if not isinstance(node.value, dict):
        form = "values" if isinstance(node.value, list) else "value"
        remedy = (
            "give it value, values or min and max" if node.value is None else f"write {{{form}: {shown(node.plain)}}}"
        )
        findings.mistake(node.line, place, "empty" if node.value is None else f"found {shown(node.plain)}", remedy)
        return None
    values = node.value.get("values")
    if values is not None and not is_list(values, f"{place}.values", findings, _example(values)):
        return None
    name = _distribution_name(place, node, findings)
    return None if name is None else _build(name, place, node, findings)


def _example(values: Node) -> str:
    """The list that a text with commas (`"1e-2,1e-3"`) was meant to be."""
    parts = values.value.split(",") if isinstance(values.value, str) else []
    return f"values: [{', '.join(part.strip() for part in parts)}]" if len(parts) > 1 else "values: [0.1, 0.01]"


def _distribution_name(place: str, node: Node, findings: Findings) -> str | None:
    """The distribution that is named, or that the keys stand for."""
    keys: Mapping[str, Node] = node.value
    if "distribution" in keys:
        named = keys["distribution"]
        if isinstance(named.value, str):
            return _implied(keys) if named.value == "categorical" and "values" in keys else named.value
        found = f"found {shown(named.plain)}"
        findings.mistake(named.line, f"{place}.distribution", found, "allowed: the name of a distribution")
        return None
    unknown = [key for key in keys if key not in _KEYS]
    for key in unknown:
        meant = f"write {_THEIRS[key]}" if key in _THEIRS else suggest(key, _KEYS)
        findings.mistake(keys[key].line, f"{place}.{key}", "unknown key", meant)
    implied = _implied(keys)
    if implied is None and not unknown:
        names = ", ".join(sorted(registry.components("distribution")))
        remedy = f"give it value, values, min and max, or a distribution: {names}"
        findings.mistake(node.line, place, f"found {shown(node.plain)}" if keys else "empty", remedy)
    return None if unknown else implied


def _implied(keys: Mapping[str, Node]) -> str | None:
    """The distribution that W&B infers from the keys."""
    if "value" in keys:
        return "constant"
    if "values" in keys:
        return "categorical_w_probabilities" if "probabilities" in keys else "categorical"
    if "min" in keys or "max" in keys:
        whole = all(type(keys[key].value) is int for key in ("min", "max") if key in keys)
        return "int_uniform" if whole else "uniform"
    return None


def _build(name: str, place: str, node: Node, findings: Findings) -> Distribution | None:
    given = {key: inner.plain for key, inner in node.value.items() if key != "distribution"}
    if name in _LISTING:
        # Values stay nodes, so that a mistake in one of them is reported at its own line.
        given.update({"value": node.value["value"]} if "value" in given else {})
        given.update({"values": node.value["values"].value} if "values" in given else {})
    try:
        options = read_options("distribution", name, given)
    except UnknownNameError as error:
        found, _, remedy = str(error).partition("; ")
        if name.replace("_", "").startswith("log") and "uniform" in name:
            # The bounds of other tools' `loguniform` are the values themselves.
            remedy = remedy.replace("did you mean `log_uniform`?", "did you mean `log_uniform_values`?")
        findings.mistake(node.value["distribution"].line, f"{place}.distribution", found, remedy)
        return None
    if isinstance(options, list):
        for mistake in options:
            line = node.at(mistake.key.split(".")).line
            findings.mistake(line, f"{place}.{mistake.key}", mistake.found, mistake.remedy)
        return None
    try:
        built: Distribution = registry.find("distribution", name).build(given={}, options=options)
    except ValueError as error:
        found, _, remedy = str(error).partition("; ")
        findings.mistake(node.line, place, found, remedy)
        return None
    if built.told:
        findings.notice(node.line, place, built.told)
    return built


def tie(node: Node, axes: Sequence[Axis], findings: Findings, names: Naming) -> list[Axis]:
    """The axes with those of each group in `zip` made one, at the place of the group's first name."""
    tied = {axis.names[0]: axis for axis in axes}
    taken: set[str] = set()
    if not is_list(node, "zip", findings, "zip: [[lr, batch_size]]"):
        return list(axes)
    groups = node.value
    if len(groups) > 1 and all(isinstance(each.value, str) for each in groups):
        findings.notice(node.line, "zip", f"read as one group: zip: [[{', '.join(each.value for each in groups)}]]")
        groups = [node]
    for number, group in enumerate(groups):
        place = f"zip.{number}"
        if not is_list(group, place, findings, "[lr, batch_size]"):
            continue
        members = [names.bare(str(inner.value)) for inner in group.value]
        why_not = _why_not_tied(members, tied, taken)
        if why_not:
            findings.mistake(group.line, place, *why_not)
            continue
        taken.update(members)
        joined = _join([tied.pop(name) for name in sorted(members)], group.line)
        tied[joined.names[0]] = joined
    return [tied[name] for name in sorted(tied)]


def _why_not_tied(names: list[str], axes: Mapping[str, Axis], taken: set[str]) -> tuple[str, str] | None:
    """(found, remedy) where these names cannot move together."""
    for name in names:
        if name not in axes and name not in taken:
            return f"`{name}` is not in `parameters`", suggest(name, axes)
    if len(set(names)) < max(2, len(names)) or taken & set(names):
        return f"found {shown(names)}", "a group names two or more parameters, each of them once in all of `zip`"
    for name in names:
        if axes[name].rows is None:
            return f"`{name}` {axes[name].why_no_grid}", "zip ties parameters with `values`"
    lengths = {name: len(axes[name].rows or ()) for name in names}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"`{name}` has {length} values" for name, length in lengths.items())
        return found, "parameters that move together need equally many"
    return None


def _join(axes: Sequence[Axis], line: int | None) -> Axis:
    names = tuple(axis.names[0] for axis in axes)
    together = zip(*(axis.rows or () for axis in axes), strict=True)
    rows = [tuple(node for row in rows for node in row) for rows in together]
    return Axis(names, line, rows, lambda random: random.choice(rows))
