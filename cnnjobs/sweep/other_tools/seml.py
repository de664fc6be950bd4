"""seml: `fixed`, `grid` and `random` blocks, and sub-configurations that change them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cnnjobs.sweep.other_tools.form import Foreign, Form, spread, stepped, uniform

_BLOCKS: Final = ("fixed", "grid", "random")
_ABOUT: Final = {"seml": "its program is not run here", "slurm": "resources stand in jobs/NAME.yaml"}

Levels = list[Mapping[str, Any]]


def is_seml(keys: Mapping[str, Any]) -> bool:
    """Check whether these are the keys of such a file."""
    return "seml" in keys or any(isinstance(keys.get(name), dict) for name in _BLOCKS)


def read_seml(keys: Mapping[str, Any]) -> dict[str, Foreign]:
    """A sweep for each sub-configuration without others in it; the one of a file without any has no name."""
    return {name: _read(levels, keys) for name, levels in _leaves("", [keys])}


def _leaves(name: str, levels: Levels) -> Iterator[tuple[str, Levels]]:
    below = {key: each for key, each in levels[-1].items() if key not in (*_BLOCKS, *_ABOUT) and isinstance(each, dict)}
    for key, each in below.items():
        yield from _leaves(f"{name}.{key}".lstrip("."), [*levels, each])
    if not below:
        yield name, levels


def _read(levels: Levels, keys: Mapping[str, Any]) -> Foreign:
    sweep = Foreign(left_out={key: why for key, why in _ABOUT.items() if key in keys})
    forms: dict[str, tuple[str, Any]] = {}
    samples = None
    for level in levels:
        for block in _BLOCKS:
            given = level.get(block) or {}
            samples = given.get("samples", samples) if block == "random" else samples
            sweep.seed = given.get("seed", sweep.seed) if block == "random" else sweep.seed
            entries = {key: form for key, form in given.items() if block != "random" or key not in ("samples", "seed")}
            # A parameter that a level defines anew is no longer what it was above.
            forms.update({key: (block, form) for key, form in _dotted(entries)})
    for key, (block, form) in forms.items():
        if block == "fixed":
            sweep.base[key] = form
        else:
            sweep.parameters[key] = _form(form)
    groups: dict[Any, list[str]] = {}
    for key, (block, form) in forms.items():
        if block == "grid" and isinstance(form, dict) and "zip_id" in form:
            groups.setdefault(form["zip_id"], []).append(key)
    sweep.zipped = [group for group in groups.values() if len(group) > 1]
    at_random = [key for key, (block, _) in forms.items() if block == "random"]
    if at_random and len(at_random) < len(sweep.parameters):
        sweep.draw(at_random, int(samples or 1))
    elif at_random:
        sweep.at_random, sweep.run_cap = True, samples
    return sweep


def _dotted(entries: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, form in entries.items():
        if isinstance(form, dict) and form.get("type") == "parameter_collection":
            yield from _dotted(form.get("params", {}), f"{prefix}{key}.")
        elif isinstance(form, dict) and form and "type" not in form:
            yield from _dotted(form, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", form


def _form(form: Any) -> Form:
    if not isinstance(form, dict):
        return [form]
    kind = str(form.get("type"))
    if "options" in form:
        return list(form["options"])
    low, high = form["min"], form["max"]
    if kind == "range":
        return stepped(low, high, form.get("step", 1))
    logarithmic = kind.startswith("loguniform")
    if "num" in form:
        return spread(low, high, form["num"], logarithmic=logarithmic)
    if kind.startswith("randint"):
        return uniform(low, high - 1, whole=True)
    return uniform(low, high, logarithmic=logarithmic, whole=kind.endswith("_int"))
