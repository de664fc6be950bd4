"""The options of a kind of figure, read from the command line by the signature of its function."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cnnjobs.errors import InputError, suggest
from cnnjobs.figures.kinds import FLAGS, OPTIONS, STANDARD, option_name

if TYPE_CHECKING:
    from cnnjobs.registry import Component

Plan = list[tuple["Component", dict[str, Any]]]

_NUMBER: Final = {int: "a whole number", float: "a number"}


def with_kind_options(function: Callable[..., None]) -> Callable[..., None]:
    """The command with one option for every entry of OPTIONS, each None, or False for a flag, where it is not given."""
    signature = inspect.signature(function, eval_str=True)
    kept = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    for name, text in OPTIONS.items():
        option = typer.Option(option_name(name), help=text, rich_help_panel="Options of kinds")
        hint, default = (Annotated[bool, option], False) if name in FLAGS else (Annotated[str | None, option], None)
        kept.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint))
    function.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    return function


def plan_figures(kind: str | None, options: dict[str, Any]) -> Plan:
    """Figures to draw and their options, checked before anything is loaded; without a kind the standard set.

    Each of the standard set gets those of the options that it has. Raises InputError.
    """
    from cnnjobs import registry

    if kind is not None:
        component = registry.find("figure", kind)
        return [(component, _read(component, options))]
    plan = [(registry.find("figure", name), fixed) for name, fixed in STANDARD]
    nobodys = [name for name in options if all(name not in component.parameters for component, _ in plan)]
    if nobodys:
        raise InputError(
            f"{option_name(nobodys[0])}: no figure of the standard set has it; name a KIND, see --list-kinds"
        )
    return [
        (
            component,
            {**_read(component, {key: options[key] for key in component.parameters if key in options}), **fixed},
        )
        for component, fixed in plan
    ]


def _read(component: Component, options: dict[str, Any]) -> dict[str, Any]:
    """The kind's options as its function takes them. Raises InputError."""
    from cnnjobs.config.run import read_options

    unknown = [name for name in options if name not in component.parameters]
    if unknown:
        allowed = suggest(option_name(unknown[0]), map(option_name, component.parameters))
        raise InputError(f"`{component.name}` has no {option_name(unknown[0])}; {allowed}")
    values = {name: _value(name, text, component.parameters[name].annotation) for name, text in options.items()}
    found = read_options("figure", component.name, values)
    if isinstance(found, list):
        raise InputError("\n".join(f"{option_name(each.key)}: {each.found}; {each.remedy}" for each in found))
    return found


def _value(name: str, text: Any, annotation: Any) -> Any:
    """Value of the command line as the type that the kind asks for."""
    leaves = list(_leaves(annotation))
    if text is True or not {int, float, tuple} & {*leaves}:
        return text
    if tuple in leaves:
        return tuple(number for part in text.split(",") for number in _numbers(name, part))
    number = int if int in leaves else float
    try:
        return number(text)
    except ValueError:
        raise InputError(f"{option_name(name)} {text}: write {_NUMBER[number]}") from None


def _leaves(annotation: Any) -> Iterator[Any]:
    """The plain types of an annotation: `NonNegativeInt | None` -> int, None; a tuple's own are left out."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (tuple, typing.Literal):
        yield tuple if origin is tuple else str
    elif origin is Annotated:
        yield from _leaves(arguments[0])
    elif arguments:
        for argument in arguments:
            yield from _leaves(argument)
    else:
        yield annotation


def _numbers(name: str, text: str) -> range:
    """`7` or `4531-4546`, both ends included."""
    first, dash, last = text.strip().partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
        raise InputError(f"{option_name(name)} {text}: write numbers, 0,3,17, or a range of them, 4531-4546")
    return range(int(first), int(last or first) + 1)
