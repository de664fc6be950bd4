"""HyperHerd: `grid` says which parameters are combined; without it one changes at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cnnjobs.sweep.other_tools.form import Foreign, Form, spread

_STEPS: Final = 5
_ABOUT: Final = {
    "launcher": "runs are trained by cnnjobs itself",
    "slurm": "resources stand in jobs/NAME.yaml",
    "watch": "cnnjobs status --watch shows the states",
    "workspace": "results go to results/<name>",
}


def is_hyperherd(keys: Mapping[str, Any]) -> bool:
    """Check whether these are the keys of such a file."""
    parameters = keys.get("parameters")
    return isinstance(parameters, dict) and any(
        isinstance(form, dict) and form.get("type") in ("continuous", "discrete", "categorical", "int", "integer")
        for form in parameters.values()
    )


def read_hyperherd(keys: Mapping[str, Any]) -> dict[str, Foreign]:
    """The sweep of such a file."""
    sweep = Foreign(left_out={key: why for key, why in _ABOUT.items() if key in keys})
    sweep.share(_overrides(keys))
    forms = {key: form for key, form in keys["parameters"].items() if isinstance(form, dict)}
    sweep.share({key: value for key, value in keys["parameters"].items() if key not in forms})
    values = {key: _values(form) for key, form in forms.items()}
    defaults = {key: form["default"] for key, form in forms.items() if "default" in form}
    grid = keys.get("grid", "all" if "search" in keys else None)
    if isinstance(grid, list):
        sweep.parameters = {key: values[key] for key in forms if key in grid}
        sweep.base.update({key: value for key, value in defaults.items() if key not in grid})
    elif grid is None and len(defaults) == len(forms):
        sweep.base.update(defaults)
        sweep.parameters, sweep.ablate = values, True
        sweep.said.append("one parameter changes at a time, from the defaults in base")
    else:
        sweep.parameters = values
        sweep.said += ["the file names no grid, and not every default: all are combined"] if grid is None else []
    _read_conditions(keys, sweep)
    return {"": sweep}


def _overrides(keys: Mapping[str, Any]) -> dict[str, Any]:
    """`static_overrides: [name=value]`, under `hydra` in older files."""
    hydra = keys.get("hydra")
    listed = keys.get("static_overrides") or (hydra.get("static_overrides") if isinstance(hydra, dict) else None) or []
    pairs = (str(each).partition("=") for each in listed)
    return {key.lstrip("+~"): _plain(value) for key, _, value in pairs}


def _plain(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "null": None}.get(text.lower(), text)


def _values(form: Mapping[str, Any]) -> Form:
    listed = form.get("values", form.get("choices"))
    if listed is not None:
        return list(listed)
    logarithmic = form.get("scale") == "log"
    values = spread(form["low"], form["high"], form.get("steps", _STEPS), logarithmic=logarithmic)
    return [round(value) for value in values] if str(form["type"]).startswith("int") else values


def _read_conditions(keys: Mapping[str, Any], sweep: Foreign) -> None:
    """`{when, exclude}` of plain values is an entry of our `exclude`; others are named."""
    for number, each in enumerate(keys.get("conditions") or []):
        rule = {**(each.get("when") or {}), **(each.get("exclude") or {})}
        is_plain = "exclude" in each and not {"set"} & set(each)
        if is_plain and not any(isinstance(value, dict) for value in rule.values()):
            sweep.exclude.append(rule)
        else:
            name = each.get("name", number)
            sweep.left_out[f"conditions.{name}"] = "write it as `when` or `exclude`, see docs/sweep-file.md"
