"""Polyaxon: `matrix` of an operation, `hptuning` of older files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cnnjobs.sweep.other_tools.form import (
    PARALLEL,
    Foreign,
    Form,
    exponents,
    flow,
    guarded,
    normal,
    parsed,
    rounded,
    spread,
    stepped,
    uniform,
)

_NAMES: Final = ("low", "loc", "start", "high", "scale", "stop", "q", "step", "num", "base")
_SEARCHES: Final = {"random_search": "random", "grid_search": "grid", "hyperband": "hyperband", "bo": "bayes"}
_ELSEWHERE: Final = "cnnjobs runs no operations: resources stand in jobs/NAME.yaml"
_READ: Final = ("kind", "params", "values", "matrix", "numRuns", "seed")


def is_polyaxon(keys: Mapping[str, Any]) -> bool:
    """Check whether these are the keys of such a file."""
    matrix = keys.get("matrix")
    is_new = isinstance(matrix, dict) and "kind" in matrix and ("params" in matrix or "values" in matrix)
    tuning = keys.get("hptuning")
    return is_new or (isinstance(tuning, dict) and isinstance(tuning.get("matrix"), dict))


def read_polyaxon(keys: Mapping[str, Any]) -> dict[str, Foreign]:
    """The sweep of such a file."""
    place = "hptuning" if "hptuning" in keys else "matrix"
    matrix: Mapping[str, Any] = keys[place]
    sweep = Foreign(seed=matrix.get("seed"))
    sweep.left_out.update({key: _ELSEWHERE for key in keys if key not in (place, "version", "kind", "name")})
    old = next((name for name in _SEARCHES if name in matrix), "grid_search")
    kind = str(matrix.get("kind", _SEARCHES[old]))
    if kind == "mapping":
        rows = matrix["values"]
        sweep.variants = {" ".join(f"{key}={value}" for key, value in row.items()): dict(row) for row in rows}
    for name, form in (matrix.get("params") or matrix.get("matrix") or {}).items():
        read = guarded(_form, form)
        if read is None:
            sweep.left_out[name] = f"its form is known to the other tool alone: {flow(form)}"
        else:
            sweep.parameters[name] = read
    if kind not in ("mapping", "grid"):
        sweep.at_random, sweep.run_cap = True, _count({**matrix, **(matrix.get(old) or {})})
    elif kind == "grid":
        sweep.run_cap = _count({**matrix, **(matrix.get(old) or {})})
    if kind not in ("mapping", "grid", "random"):
        sweep.left_out[f"{place}.{kind}"] = "configurations are drawn at random"
    rest = [f"{place}.{key}" for key in matrix if key not in (*_READ, *PARALLEL, old)]
    sweep.left_out.update(dict.fromkeys(rest, _ELSEWHERE))
    return {"": sweep}


def _count(matrix: Mapping[str, Any]) -> int | None:
    if isinstance(matrix.get("numInitialRuns"), int) and isinstance(matrix.get("maxIterations"), int):
        return int(matrix["numInitialRuns"]) + int(matrix["maxIterations"])
    given = matrix.get("numRuns", matrix.get("n_experiments"))
    return int(given) if isinstance(given, int | float) else None


def _form(form: Any) -> Form | None:
    """`{kind: range, value: [1, 9, 2]}`, or `{range: 1:9:2}`; None for forms that have no place in ours."""
    if not isinstance(form, dict) or not form:
        return None
    kind, value = (str(form["kind"]), form["value"]) if "kind" in form else next(iter(form.items()))
    if kind in ("choice", "values"):
        return list(value)
    read = _FORMS.get(kind.removeprefix("q"))
    return None if read is None else read(kind, _numbers(value))


def _drawn(kind: str, numbers: list[Any]) -> Form:
    low, high, *rest = numbers
    step = rest[0] if kind.startswith("q") else None
    if kind.endswith("normal"):
        return normal(low, high, logarithmic="log" in kind, step=step)
    return exponents(low, high, step=step) if "log" in kind else uniform(low, high, step=step)


def _spaced(kind: str, numbers: list[Any]) -> Form:
    low, high, count = numbers[:3]
    if kind == "linspace":
        return spread(low, high, count)
    if kind == "geomspace":
        return spread(low, high, count, logarithmic=True)
    base = numbers[3] if len(numbers) > 3 else 10
    return [rounded(base**each) for each in spread(low, high, count)]


def _numbers(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [parsed(part) for part in value.split(":")]
    return [value[name] for name in _NAMES if name in value] if isinstance(value, dict) else list(value)


_FORMS: Final[Mapping[str, Callable[[str, list[Any]], Form]]] = {
    "range": lambda _, numbers: stepped(numbers[0], numbers[1], *(numbers[2:3] or [1])),
    **dict.fromkeys(("linspace", "geomspace", "logspace"), _spaced),
    **dict.fromkeys(("uniform", "loguniform", "normal", "lognormal"), _drawn),
}
