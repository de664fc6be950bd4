"""Search spaces as Optuna, Ray Tune, NNI, Ax, Determined, Katib, Azure and Guild write them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from cnnjobs.sweep.other_tools.calls import is_call, kind_of, number, spelled
from cnnjobs.sweep.other_tools.form import (
    PARALLEL,
    Foreign,
    Form,
    Range,
    exponents,
    flow,
    guarded,
    normal,
    places_of,
    plainly,
    spread,
    stepped,
    uniform,
)

_SPACES: Final = (
    "search_space", "searchSpace", "param_space", "space", "hyperparameters", "hyperparams", "hparams", "config",
    "params", "parameters", "flags", "hyperparameter_ranges",
)  # fmt: skip
_COUNTS: Final = (
    "n_trials", "num_samples", "num_trials", "max_trials", "maxTrialNumber", "max_trial_number", "trials", "n_iter",
    "maxTrialCount", "max_total_trials", "max-trials", "max_jobs", "max_evals", "n_calls",
)  # fmt: skip
_SEARCHERS: Final = ("searcher", "tuner", "sampler", "algorithm", "sampling_algorithm")
_LOW: Final = ("low", "min", "minval", "lower", "min_value")
_HIGH: Final = ("high", "max", "maxval", "upper", "max_value")
_CHOICES: Final = ("choices", "options", "values", "vals", "categories", "grid_search", "choice", "list")
_NORMALS: Final = ("normal", "lognormal", "qnormal", "qlognormal")
_PAIRS: Final = ("uniform", "loguniform", "randint", "lograndint", "quniform", *_NORMALS)
_KINDS: Final = (
    "float", "int", "categorical", "uniform", "loguniform", "log", "double", "const", "range", "choice", *_NORMALS,
)  # fmt: skip
# Spaces whose lists are values: Optuna's GridSampler and the like.
_GRIDS: Final = ("search_space", "searchSpace", "param_space")
_NAMES: Final = ("name", "param", "parameter", "param_name", "parameter_name", "key")
_TYPES: Final = ("suggest", "suggest_type", "kind", "distribution", "type")


def space_of(keys: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The part of a file that is another tool's search space, however deep; None for a file that has none."""
    for name in _SPACES:
        inner = keys.get(name)
        if isinstance(inner, dict) and (any(_is_form(form) for form in inner.values()) or name == "flags"):
            return inner
        if (
            isinstance(inner, dict)
            and inner
            and name in _GRIDS
            and all(isinstance(each, list) for each in inner.values())
        ):
            return inner
        listed = named_forms(inner)
        if listed is not None:
            return listed
    if any(_is_form(form) for form in keys.values()):
        return keys
    found = (space_of(inner) for inner in keys.values() if isinstance(inner, dict))
    return next((space for space in found if space is not None), None)


def named_forms(entries: Any) -> dict[str, Any] | None:
    """`[{name: lr, type: float, ...}]`, or `[{lr: {type: float, ...}}]`, by name; None for what is none."""
    if not isinstance(entries, list) or not entries or not all(isinstance(each, dict) for each in entries):
        return None
    keys = [next((key for key in _NAMES if isinstance(each.get(key), str) and len(each) > 1), None) for each in entries]
    if all(keys):
        pairs = zip(keys, entries, strict=True)
        return {each[key]: {inner: each[inner] for inner in each if inner != key} for key, each in pairs if key}
    if all(len(each) == 1 and _is_form(next(iter(each.values()))) for each in entries):
        return {name: form for each in entries for name, form in each.items()}
    return None


def is_space(forms: Mapping[str, Any] | None) -> bool:
    """Check whether a form of a search space is among these."""
    return forms is not None and any(_is_form(form) for form in forms.values())


def read_space(keys: Mapping[str, Any]) -> dict[str, Foreign]:
    """The sweep of such a file."""
    space = space_of(keys)
    assert space is not None
    sweep = Foreign()
    for key, form in space.items():
        if key in _COUNTS:
            continue
        read = guarded(read_form, form)
        if _is_form(form) and (read is None or (isinstance(read, list) and _is_nested(read))):
            sweep.left_out[key] = f"its form is known to the other tool alone: {flow(form)}"
        elif read is not None:
            sweep.parameters[key] = read
        elif isinstance(form, list):
            sweep.parameters[key] = form
        else:
            sweep.share({key: form})
    counts = _found(keys, _COUNTS)
    count = next((each for each in counts.values() if isinstance(each, int)), None)
    ranges = [key for key, form in sweep.parameters.items() if isinstance(form, Range)]
    grids = [key for key, form in space.items() if _is_gridded(form)]
    if grids and len(grids) < len(sweep.parameters):
        sweep.draw([key for key in sweep.parameters if key not in grids], count or 1)
    elif grids and count:
        sweep.left_out["num_samples"] = f"each configuration is run {count} times there: write seeds: {count}"
    elif ranges or (count and not _is_whole(sweep, count)):
        sweep.at_random, sweep.run_cap = bool(ranges) or not _is_grid(keys), count
    if any(name in _GRIDS and keys.get(name) == space for name in keys) and not any(map(_is_form, space.values())):
        sweep.said.append("lists are read as values; a range is {min: ..., max: ...}")
    usual = {key: form["default"] for key, form in space.items() if isinstance(form, dict) and "default" in form}
    if usual and (ranges or len(usual) < len(sweep.parameters)):
        sweep.said.append(f"the file's defaults, for a run without a search: {flow(usual)}")
    outside = _outside(keys, space) if space is not keys else []
    sweep.left_out.update(dict.fromkeys(outside, "see docs/sweep-file.md for what stands in its place"))
    return {"": sweep}


def _outside(keys: Mapping[str, Any], space: Mapping[str, Any]) -> list[str]:
    """The names of all that is not carried over, dotted where the space stands beside them."""
    names: list[str] = []
    for key, value in keys.items():
        if key in _SPACES and space_of({key: value}) == space:
            continue
        counts = places_of(value, tuple(map(plainly, _COUNTS)))
        if isinstance(value, dict) and value != space and (space_of(value) == space or counts):
            names += [f"{key}.{inner}" for inner in _outside(value, space)]
        elif value != space and key not in _COUNTS and plainly(key) not in PARALLEL:
            names.append(key)
    return names


def _is_grid(keys: Mapping[str, Any]) -> bool:
    searcher = " ".join(f"{given}" for given in _found(keys, _SEARCHERS).values())
    return "grid" in searcher.lower()


def _is_whole(sweep: Foreign, count: int) -> bool:
    """Check whether so many draws are all combinations of plain lists."""
    values = [form for form in sweep.parameters.values() if isinstance(form, list)]
    return count >= math.prod(map(len, values))


def _is_gridded(form: Any) -> bool:
    return "grid_search" in form if isinstance(form, dict) else str(form).startswith("tune.grid_search(")


def _is_nested(values: list[Any]) -> bool:
    return any(isinstance(each, dict) and "_name" in each for each in values)


def _found(keys: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """The values of these keys, at whatever depth."""
    found = {key: value for key, value in keys.items() if key in names}
    for inner in keys.values():
        found.update(_found(inner, names) if isinstance(inner, dict) else {})
    return found


def _usual(form: Mapping[str, Any]) -> Mapping[str, Any]:
    """A form whose kind stands under `type`, as `float`: Optuna's own files and people's have other keys."""
    if isinstance(form.get("attributes"), dict) and "name" in form:
        return _usual({**form["attributes"], "type": form["name"]})
    key = next((key for key in _TYPES if isinstance(form.get(key), str)), None)
    kind = kind_of(str(form[key])) if key else ""
    # `distribution: uniform` is ours.
    is_theirs = key is not None and kind in _KINDS and not (key == "distribution" and kind == form[key])
    return {**{each: form[each] for each in form if each != key}, "type": kind} if is_theirs else form


def _is_form(form: Any) -> bool:
    if isinstance(form, dict):
        form = _usual(form)
        is_typed = "_type" in form or (form.get("type") in _KINDS and len(form) > 1)
        return (
            is_typed
            or "grid_search" in form
            or "feasibleSpace" in form
            or (len(form) == 1 and next(iter(form)) in (*_PAIRS, "choice"))
        )
    return isinstance(form, str) and is_call(form)


def read_form(form: Any) -> Form | None:
    """Values of one parameter of a search space; None for another form."""
    if isinstance(form, str):
        return spelled(form)
    if not isinstance(form, dict):
        return None
    form = _usual(form)
    if isinstance(form.get("feasibleSpace"), dict):
        feasible = {key: _plain(value) for key, value in form["feasibleSpace"].items()}
        return read_form({**feasible, "type": form.get("parameterType")})
    pair = next((name for name in _PAIRS if name in form), None)
    if "_type" in form or pair is not None:
        return _paired(pair, form[pair]) if pair is not None else _paired(str(form["_type"]), form["_value"])
    listed = next((form[key] for key in _CHOICES if isinstance(form.get(key), list)), None)
    if listed is not None:
        return list(listed)
    is_normal = form.get("type") in _NORMALS
    return (
        _normal(str(form["type"]), [form[key] for key in ("mu", "sigma", "q") if key in form])
        if is_normal
        else _bounded(form)
    )


def _bounded(form: Mapping[str, Any]) -> Form | None:
    kind = str(form.get("type", ""))
    if kind in ("const", "fixed"):
        return [form.get("val", form.get("value"))]
    bounds = form.get("bounds") or [next((form[key] for key in names if key in form), None) for names in (_LOW, _HIGH)]
    low, high = bounds
    if low is None or high is None:
        return [form["default"]] if "default" in form else None
    whole = kind.startswith("int") or (form.get("value_type") == "int")
    if kind == "loguniform" and "min_value" in form:
        return exponents(low, high)
    if kind == "log" and "base" in form:
        low, high = form["base"] ** low, form["base"] ** high
    logarithmic = bool(form.get("log") or form.get("log_scale")) or kind in ("log", "loguniform", "log_float")
    if form.get("step"):
        return stepped(low, high, form["step"], closed=True)
    if isinstance(form.get("count"), int):
        values = spread(low, high, form["count"], logarithmic=logarithmic)
        return [round(each) for each in values] if whole else values
    return uniform(low, high, logarithmic=logarithmic, whole=whole)


def _paired(kind: str, given: Any) -> Form | None:
    """`uniform: [0, 1]` and the like; a whole number is drawn below its upper bound."""
    if kind == "choice" or kind in _NORMALS:
        return list(given) if kind == "choice" else _normal(kind, given)
    low, high, *rest = given
    if kind == "randint":
        return uniform(low, high - 1, whole=True)
    if kind == "quniform":
        return stepped(low, high, rest[0], closed=True)
    if kind == "qloguniform":
        return uniform(low, high, logarithmic=True, step=rest[0])
    if kind in ("uniform", "loguniform", "lograndint"):
        return uniform(low, high, logarithmic=kind.startswith("log"), whole=kind == "lograndint")
    return None


def _normal(kind: str, numbers: list[Any]) -> Form:
    mu, sigma, *rest = numbers
    return normal(mu, sigma, logarithmic="log" in kind, step=rest[0] if kind.startswith("q") else None)


def _plain(value: Any) -> Any:
    """Numbers that stand as texts, as in Katib's files."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    try:
        return number(value) if isinstance(value, str) else value
    except ValueError:
        return value
