"""Sweep files of other tools: recognised, named, and shown in the form that is read here."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cnnjobs.spec.reading import Node, shown
from cnnjobs.spec.run import our_name


@dataclass
class _Sweep:
    """A sweep in our form, as far as the other tool's file says it."""

    method: str = "grid"
    run_cap: Any = None
    seed: Any = None
    base: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)

    def lines(self) -> str:
        """The YAML text, indented by four."""
        written = [f"method: {self.method}"]
        written += [f"run_cap: {self.run_cap}"] if self.run_cap is not None else []
        written += [f"sampling_seed: {self.seed}"] if self.seed is not None else []
        if self.base:
            written += ["base:", *(f"  {our_name(key)}: {shown(value)}" for key, value in self.base.items())]
        if self.parameters:
            written += ["parameters:", *(f"  {our_name(key)}: {form}" for key, form in self.parameters.items())]
        return "\n".join(f"    {line}" for line in written)


def recognise(root: Node, ours: frozenset[str]) -> tuple[str, str] | None:
    """(what the file is, the same sweep in ours) of another tool's file; None for our own. `ours` are our keys."""
    keys: Mapping[str, Any] = root.plain
    parameters = keys.get("parameters")
    if "hydra" in keys or any(key.startswith("hydra/") for key in keys) or isinstance(keys.get("defaults"), list):
        return "this is a Hydra configuration", _in_ours(_from_hydra, keys)
    if "seml" in keys or {"fixed", "grid", "random"} & {key for key in keys if isinstance(keys[key], dict)}:
        return "this is a seml configuration", _in_ours(_from_seml, keys)
    if isinstance(parameters, dict) and any(_is_hyperherd(form) for form in parameters.values()):
        return "this is a HyperHerd configuration", _in_ours(_from_hyperherd, parameters)
    if not ours & set(keys) and any(isinstance(value, list) for value in keys.values()):
        return "this is a plain mapping of lists", _in_ours(_from_lists, keys)
    return None


def _in_ours(convert: Callable[[Mapping[str, Any]], _Sweep], keys: Mapping[str, Any]) -> str:
    """The sweep in our form; the form alone where the other tool would not read its file either."""
    try:
        return convert(keys).lines()
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError):
        return _Sweep(parameters={"lr": "{values: [0.1, 0.01]}"}).lines()


def _from_lists(keys: Mapping[str, Any]) -> _Sweep:
    swept = {key: f"{{values: {shown(value)}}}" for key, value in keys.items() if isinstance(value, list)}
    return _Sweep(base={key: value for key, value in keys.items() if key not in swept}, parameters=swept)


def _from_hydra(keys: Mapping[str, Any]) -> _Sweep:
    sweep = _Sweep(
        base={key: value for key, value in keys.items() if not key.startswith("hydra") and key != "defaults"}
    )
    hydra = keys.get("hydra")
    sweeper = hydra.get("sweeper") if isinstance(hydra, dict) else None
    params = sweeper.get("params") if isinstance(sweeper, dict) else None
    for key, value in (params or {}).items():
        name = key.lstrip("+~")
        sweep.base.pop(name, None)
        sweep.parameters[name] = _hydra_form(str(value).strip())
        if "min:" in sweep.parameters[name]:
            sweep.method, sweep.run_cap = "random", 20
    return sweep


def _hydra_form(text: str) -> str:
    """One entry of Hydra's override grammar: `1,2`, choice(1,2), range(1,5), interval(1,5), tag(log, ...)."""
    call = re.fullmatch(r"(\w+)\((.*)\)", text)
    if call is None:
        parts = [part.strip() for part in text.split(",")]
        return f"{{values: [{', '.join(parts)}]}}" if len(parts) > 1 else f"{{value: {text}}}"
    name, inner = call.groups()
    parts = [part.strip() for part in inner.split(",")]
    if name == "tag" and parts[0] == "log":
        return _hydra_form(inner.partition(",")[2].strip()).replace("{min:", "{distribution: log_uniform_values, min:")
    if name == "interval" and len(parts) == 2:
        return f"{{min: {float(parts[0])}, max: {float(parts[1])}}}"
    if name == "range" and all(re.fullmatch(r"-?\d+", part) for part in parts):
        return f"{{values: {list(range(*map(int, parts)))}}}"
    return f"{{values: [{', '.join(parts)}]}}"


def _from_seml(keys: Mapping[str, Any]) -> _Sweep:
    blocks = {name: block if isinstance(block := keys.get(name), dict) else {} for name in ("fixed", "grid", "random")}
    random = {key: form for key, form in blocks["random"].items() if key not in ("samples", "seed")}
    sweep = _Sweep(base=blocks["fixed"])
    sweep.parameters = {key: _seml_form(form) for key, form in {**blocks["grid"], **random}.items()}
    if random:
        sweep.method, sweep.seed = "random", blocks["random"].get("seed")
        sweep.run_cap = blocks["random"].get("samples", 20)
    return sweep


def _seml_form(form: Any) -> str:
    if not isinstance(form, dict):
        return f"{{value: {shown(form)}}}"
    kind: Any = form.get("type")
    low: Any = form.get("min")
    high: Any = form.get("max")
    if "options" in form:
        return f"{{values: {shown(form['options'])}}}"
    if "num" in form:
        return _spread(low, high, form["num"], logarithmic=kind == "loguniform")
    if kind == "range" and "step" in form:
        return f"{{distribution: q_uniform, min: {low}, max: {high}, q: {form['step']}}}"
    if kind == "randint":
        return f"{{min: {low}, max: {high - 1}}}"
    return f"{{distribution: {'log_uniform_values' if kind == 'loguniform' else 'uniform'}, min: {low}, max: {high}}}"


def _is_hyperherd(form: Any) -> bool:
    return isinstance(form, dict) and form.get("type") in ("continuous", "discrete", "categorical", "int", "integer")


def _from_hyperherd(parameters: Mapping[str, Any]) -> _Sweep:
    sweep = _Sweep()
    for key, form in parameters.items():
        if not isinstance(form, dict):
            sweep.base[key] = form
        elif "values" in form or "choices" in form:
            sweep.parameters[key] = f"{{values: {shown(form.get('values', form.get('choices')))}}}"
        elif "steps" in form:
            sweep.parameters[key] = _spread(
                form["low"], form["high"], form["steps"], logarithmic=form.get("scale") == "log"
            )
        else:
            name = "log_uniform_values" if form.get("scale") == "log" else "uniform"
            sweep.parameters[key] = f"{{distribution: {name}, min: {form.get('low')}, max: {form.get('high')}}}"
            sweep.method, sweep.run_cap = "random", 20
    return sweep


def _spread(low: Any, high: Any, count: Any, *, logarithmic: bool) -> str:
    """`count` values from low to high, both included, at equal distances or equal ratios."""
    steps = [number / max(1, count - 1) for number in range(count)]
    if logarithmic:
        values = [math.exp(math.log(low) + step * math.log(high / low)) for step in steps]
    else:
        values = [low + step * (high - low) for step in steps]
    return f"{{values: {shown([float(f'{value:.6g}') for value in values])}}}"
