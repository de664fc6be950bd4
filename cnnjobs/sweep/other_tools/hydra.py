"""Hydra: a configuration, and `hydra.sweeper` over it, in the override grammar or as a search space."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from cnnjobs.sweep.other_tools.form import Foreign, Form, parsed, split, stepped, uniform
from cnnjobs.sweep.other_tools.tuners import read_form

_CALL: Final = re.compile(r"([\w.]+)\((.*)\)", re.DOTALL)


def is_hydra(keys: Mapping[str, Any]) -> bool:
    """Check whether these are the keys of such a file."""
    return "hydra" in keys or any(key.startswith("hydra/") for key in keys) or isinstance(keys.get("defaults"), list)


def read_hydra(keys: Mapping[str, Any]) -> dict[str, Foreign]:
    """The sweep of such a file."""
    sweep = Foreign()
    sweep.share({key: value for key, value in keys.items() if not key.startswith("hydra") and key != "defaults"})
    hydra = keys.get("hydra") if isinstance(keys.get("hydra"), dict) else {}
    sweeper = hydra.get("sweeper") if isinstance(hydra, dict) and isinstance(hydra.get("sweeper"), dict) else {}
    assert isinstance(hydra, dict)
    assert isinstance(sweeper, dict)
    ax = sweeper.get("ax_config") if isinstance(sweeper.get("ax_config"), dict) else {}
    for key, value in (sweeper.get("params") or {}).items():
        _take(sweep, key, override(str(value).strip()) if isinstance(value, str) else [value])
    for space in (sweeper.get("search_space"), (ax or {}).get("params")):
        for key, form in (space or {}).items():
            _take(sweep, key, read_form(form) or [form])
    trials = sweeper.get("n_trials", sweeper.get("max_trials", (ax or {}).get("max_trials")))
    if isinstance(trials, int) and sweep.parameters:
        sweep.at_random, sweep.run_cap = True, trials
    sampler = sweeper.get("sampler") if isinstance(sweeper.get("sampler"), dict) else {}
    sweep.seed = (sampler or {}).get("seed")
    _name_the_rest(keys, hydra, sweeper, sweep)
    return {"": sweep}


def _take(sweep: Foreign, key: str, form: Form | None) -> None:
    name = key.lstrip("+~")
    sweep.base.pop(name, None)
    if form is None:
        sweep.left_out[name] = "this form is known to Hydra alone"
    else:
        sweep.parameters[name] = form


def _name_the_rest(
    keys: Mapping[str, Any], hydra: Mapping[str, Any], sweeper: Mapping[str, Any], sweep: Foreign
) -> None:
    groups = [each for each in keys.get("defaults") or [] if isinstance(each, dict)]
    for group in groups:
        for key, value in group.items():
            if "hydra/" not in key:
                sweep.left_out[f"defaults.{key}"] = f"the file of {value} is not read: write its settings into base"
    if sweep.at_random and sampler_name(sweeper):
        sweep.left_out["hydra.sweeper.sampler"] = "configurations are drawn at random"
    if "launcher" in hydra or any("hydra/launcher" in key for group in (*groups, keys) for key in group):
        sweep.left_out["hydra.launcher"] = "resources stand in jobs/NAME.yaml"


def sampler_name(sweeper: Mapping[str, Any]) -> str:
    """The sampler that learns from earlier runs, where one is named."""
    sampler = sweeper.get("sampler")
    target = str(sampler.get("_target_", "")) if isinstance(sampler, dict) else ""
    return target if target and "Random" not in target else ""


def override(text: str) -> Form | None:
    """One entry of Hydra's grammar: `1,2`, choice(1,2), range(1,5), interval(1,5), tag(log, ...); None for others."""
    call = _CALL.fullmatch(text)
    if call is None:
        return [parsed(part) for part in split(text)]
    name, parts = call[1], split(call[2])
    read = _FORMS.get(name)
    return None if read is None else read(parts)


def _cast(parts: list[str], kind: type[int | float]) -> Form | None:
    inner = override(parts[0])
    if isinstance(inner, list):
        return [kind(each) for each in inner]
    return inner and uniform(inner.low, inner.high, logarithmic=inner.logarithmic, whole=kind is int)


def _tag(parts: list[str]) -> Form | None:
    inner = override(parts[-1])
    if isinstance(inner, list) or inner is None or "log" not in parts[:-1]:
        return inner
    return uniform(inner.low, inner.high, logarithmic=True, whole=inner.whole)


def _reordered(parts: list[str]) -> Form | None:
    """The same values in another order."""
    return override(parts[0]) if len(parts) == 1 else [parsed(part) for part in parts if "=" not in part]


def _range(parts: list[str]) -> list[Any]:
    named = {key.strip(): parsed(text) for key, equals, text in (part.partition("=") for part in parts) if equals}
    plain = [parsed(part) for part in parts if "=" not in part]
    start, stop = (0, plain[0]) if len(plain) == 1 else (plain[0], plain[1])
    return stepped(named.get("start", start), named.get("stop", stop), named.get("step", (*plain, 1, 1, 1)[2] or 1))


_FORMS: Final[Mapping[str, Callable[[list[str]], Form | None]]] = {
    "choice": lambda parts: [parsed(part) for part in parts],
    "range": _range,
    "interval": lambda parts: uniform(float(parts[0]), float(parts[1])),
    "tag": _tag,
    "int": lambda parts: _cast(parts, int),
    "float": lambda parts: _cast(parts, float),
    "shuffle": _reordered,
    "sort": _reordered,
}
