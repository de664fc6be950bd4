"""pydantic's errors as mistakes in a user's words: the dotted key, what was found, what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from cnnjobs.config.yaml import number_in, shown
from cnnjobs.errors import suggest

_ALLOWED: Final = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "none_required": "null",
    "path_type": "a path",
    "finite_number": "a finite number",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "at most {le:g}",
    "too_short": "{min_length} values or more",
    "too_long": "at most {max_length} values",
}


_NUMBERS: Final = ("int_type", "float_type", "int_from_float")
_SPELLED: Final = re.compile(r"([+-]?[\d.]*\d)\s*(?:(%|[/^](?=\s*[+-]?[\d.]*\d$))\s*([+-]?[\d.]*\d)?|[a-zA-Z]+)")


@dataclass(frozen=True)
class KeyMistake:
    """One mistake in a configuration: the dotted key, what was found, what is allowed."""

    key: str
    found: str
    remedy: str


def refusal(found: str, remedy: str) -> PydanticCustomError:
    """Error of a validator for a value that it refuses."""
    return PydanticCustomError("component", "{found}; {remedy}", {"found": found, "remedy": remedy})


def key_mistakes(
    error: ValidationError,
    given: Mapping[str, Any],
    unknown: Callable[[Sequence[str]], KeyMistake],
    missing: Callable[[Sequence[str]], KeyMistake],
) -> list[KeyMistake]:
    """Every mistake of a validation, one per key; `unknown` and `missing` word those of a key at a path."""
    found: dict[str, list[KeyMistake]] = {}
    for details in error.errors(include_url=False):
        path = _path(details, given)
        if details["type"] == "extra_forbidden":
            mistake = unknown(path)
        elif details["type"] == "missing":
            mistake = missing(path)
        else:
            mistake = _wrong_value(".".join(path), details)
        found.setdefault(mistake.key, []).append(mistake)
    # What is wrong within a mapping says more than that it is not what else might stand there.
    within = {key for key in found if any(other.startswith(f"{key}.") for other in found)}
    return [_either(mistakes) for key, mistakes in found.items() if key not in within]


def _path(details: Any, given: Any) -> list[str]:
    """The keys and list places that lead to the mistake, without the members of a union that a location also names."""
    path = []
    for number, part in enumerate(details["loc"], start=1):
        in_list = isinstance(given, list | tuple) and isinstance(part, int) and part < len(given)
        if in_list or (isinstance(given, Mapping) and part in given):
            given = given[part]
            path.append(str(part))
        elif number == len(details["loc"]) and details["type"] == "missing":
            path.append(str(part))
    return path


def _wrong_value(key: str, details: Any) -> KeyMistake:
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if "found" in context:
        return KeyMistake(key, context["found"], context["remedy"])
    found = f"found {shown(value)}"
    if kind == "literal_error":
        return KeyMistake(key, found, suggest(str(value), re.findall(r"'([^']*)'", context["expected"])))
    is_quoted = kind == "bool_type" and value in ("true", "false")
    if is_quoted or (number_in(value) is not None and kind in ("int_type", "float_type")):
        return KeyMistake(key, f"found the text {shown(value)}", f"write {value} without quotes")
    meant = _meant(value) if kind in _NUMBERS else None
    if meant is not None:
        return KeyMistake(key, found, f"write {meant}")
    allowed = _ALLOWED[kind].format(**context) if kind in _ALLOWED else details["msg"]
    allowed = "a share, from 0 to 1" if kind == "less_than_equal" and context["le"] == 1 else allowed
    allowed = "one value or more" if kind == "too_short" and context["min_length"] == 1 else allowed
    if kind in ("list_type", "tuple_type") and isinstance(value, str) and value.startswith("("):
        return KeyMistake(key, f"found the text {shown(value)}", f"write a list: [{value.strip('()').strip(', ')}]")
    return KeyMistake(key, found, f"allowed: {allowed}")


def _meant(value: Any) -> str | None:
    """The number that a value was meant to be: `0,1`, `1e\u22123`, `10%`, `1/10`, `2**5`, `10 epochs`, 1e1."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"{value:.0f}"
    if not isinstance(value, str) or len(value) > 40:
        return None
    text = value.strip().replace("\u2212", "-").replace("\u2013", "-").replace("**", "^")
    if number_in(text.replace(",", ".")) is not None:
        return f"{text.replace(',', '.')}, with a point and a plain minus sign"
    found = _SPELLED.fullmatch(text)
    if found is None:
        return None
    try:
        number, other = float(found[1]), float(found[3] or 100)
        if found[2] in ("/", "%"):
            number /= other
        elif found[2]:
            number = number**other
        return f"{number:.6g}"
    except (ValueError, ArithmeticError, TypeError):
        return None


def _either(mistakes: list[KeyMistake]) -> KeyMistake:
    """One mistake where every member of a union refused the value."""
    first = mistakes[0]
    if len(mistakes) == 1:
        return first
    remedies = dict.fromkeys(mistake.remedy.removeprefix("allowed: ") for mistake in mistakes)
    return KeyMistake(first.key, first.found, f"allowed: {' or '.join(remedies)}")
