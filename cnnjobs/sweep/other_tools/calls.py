"""Forms that stand as texts: Guild's `uniform[0:1]`, and calls of Python as `trial.suggest_float("lr", 1e-4, 1e-1)`."""

from __future__ import annotations

import re
from typing import Final

from cnnjobs.sweep.other_tools.form import Form, exponents, parsed, split, spread, stepped, uniform

_CALL: Final = re.compile(r"(?:tune|hp)\.|(?:[\w.]+\.)?(?:suggest_\w+|[A-Z][a-z]+(?:Parameter|Distribution))\(")
_LOG: Final = re.compile(r"log\s*=\s*True|scaling_type\s*=\s*.(?:Reverse)?Log\w*.")
_GUILD: Final = re.compile(r"(uniform|loguniform|range|linspace|logspace)?\[([^\]]*)\]")


def spelled(text: str) -> Form | None:
    """Values of one parameter that a text stands for; None for another text."""
    if guild := _GUILD.fullmatch(text):
        return _guild(guild[1] or "uniform", [number(part) for part in guild[2].split(":")])
    return _called(text) if is_call(text) else None


def is_call(text: str) -> bool:
    """Check whether a text is a call that makes a form."""
    return _CALL.match(text) is not None


def kind_of(word: str) -> str:
    """`suggest_float`, `FloatDistribution`, `ContinuousParameter` -> `float`."""
    plain = word.removeprefix("suggest_").removesuffix("Distribution").removesuffix("Parameter")
    return {"continuous": "float", "integer": "int"}.get(plain.lower(), plain.lower()) if plain != word else word


def number(text: str) -> int | float:
    """The number that a text is. Raises ValueError."""
    return int(text) if text.strip().lstrip("+-").isdigit() else float(text)


def _guild(kind: str, numbers: list[int | float]) -> Form:
    low, high, *rest = numbers
    if kind == "range":
        return stepped(low, high, rest[0] if rest else 1, closed=True)
    if kind.endswith("space"):
        count = int(rest[0]) if rest else 5
        return [10**each for each in spread(low, high, count)] if kind == "logspace" else spread(low, high, count)
    whole = isinstance(low, int) and isinstance(high, int) and kind == "uniform"
    return uniform(low, high, logarithmic=kind == "loguniform", whole=whole)


def _called(text: str) -> Form | None:
    """`tune.loguniform(1e-4, 1e-1)`, `trial.suggest_float("lr", 1e-4, 1e-1, log=True)`."""
    name, _, inner = text.partition("(")
    parts = split(inner.rstrip(") "))
    keys = {key.strip(): parsed(value) for key, equals, value in (part.partition("=") for part in parts) if equals}
    plain = [parsed(part) for part in parts if "=" not in part]
    plain += [keys[key] for key in ("low", "high", "min_value", "max_value", "choices", "values") if key in keys]
    if plain and isinstance(plain[0], str) and not isinstance(plain[-1], str):
        plain = plain[1:]
    kind = kind_of(name.rpartition(".")[2])
    if kind in ("choice", "categorical", "grid_search"):
        return list(plain[0])
    if kind == "loguniform" and name.startswith("hp."):
        return exponents(plain[0], plain[1])
    logarithmic = "log" in kind or any(_LOG.fullmatch(part) for part in parts)
    step = keys.get("step") or (plain[2] if kind.startswith("q") else None)
    if step and not logarithmic:
        return stepped(plain[0], plain[1], step, closed=True)
    whole = "int" in kind
    return uniform(plain[0], plain[1] - (kind == "randint"), logarithmic=logarithmic, whole=whole, step=step)
