"""docs/figures.md lists every kind of figure, and what it tells to type can be typed; `make golden` writes the list."""

from __future__ import annotations

import os
import re
import shlex
import typing
from pathlib import Path
from typing import Any

import pytest

from cnnjobs import registry
from cnnjobs.cli.network.figure_options import plan_figures
from cnnjobs.figures.kinds import OPTIONS, option_name

PAGE = Path(__file__).parents[2] / "docs" / "figures.md"
MARK = "<!-- written by `make golden` -->\n"
FLAGS = ("--list-layers", "--list-kinds")
OTHERS = ("--weights", "--dataset", "--out", "--input", "--classes", "--results")


def test_golden_figures_page_lists_every_kind() -> None:
    text = PAGE.read_text(encoding="utf-8")
    head, mark, _ = text.partition(MARK)
    assert mark
    rows = [f"| `{name}` | {_options(kind)} | {kind.summary} |\n" for name, kind in sorted(_kinds().items())]
    meanings = [f"| `{option_name(name)}` | {meaning} |\n" for name, meaning in OPTIONS.items()]
    wanted = "".join([head, mark, "\n| kind | options and defaults | |\n| --- | --- | --- |\n", *rows])
    wanted += "".join(["\n| option | meaning |\n| --- | --- |\n", *meanings])
    if os.environ.get("CNNJOBS_GOLDEN") == "write":
        PAGE.write_text(wanted, encoding="utf-8")
    assert text == wanted or os.environ.get("CNNJOBS_GOLDEN"), "write the page again: make golden"


def _kinds() -> dict[str, registry.Component]:
    return registry.components("figure")


def _options(kind: registry.Component) -> str:
    return "<br>".join(_option(name, parameter) for name, parameter in kind.parameters.items())


def _option(name: str, parameter: registry.Parameter) -> str:
    default = "" if parameter.default in (None, (), False) else f": {parameter.default}"
    choices = _choices(parameter.annotation)
    return f"`{option_name(name)}`{default}" + (f" ({', '.join(choices)})" if choices else "")


def _choices(annotation: Any) -> list[str]:
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    return [choice for inner in typing.get_args(annotation) for choice in _choices(inner)]


def commands() -> list[str]:
    """Every `cnnjobs figures ...` of the page."""
    found = re.findall(r"^    \$ (cnnjobs figures [^\n#]*)", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return sorted({command.strip() for command in found})


@pytest.mark.parametrize("command", commands())
def test_what_the_page_tells_to_type_can_be_typed(command: str) -> None:
    words = [word for word in shlex.split(command)[2:] if word not in FLAGS]
    kind = words[1] if len(words) > 1 and not words[1].startswith("--") else None
    options: dict[str, Any] = {}
    given = iter(words[2:] if kind else words[1:])
    names = {option_name(name): name for name in OPTIONS}
    for word in given:
        if word in OTHERS:
            next(given)
        else:
            name = names[word]
            options[name] = True if _is_flag(name) else next(given)
    assert plan_figures(kind, options)


def _is_flag(name: str) -> bool:
    return any(kind.parameters[name].annotation is bool for kind in _kinds().values() if name in kind.parameters)
