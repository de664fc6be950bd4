"""docs/components.md lists every component with its options; `make golden` writes its tables again."""

from __future__ import annotations

import os
import re
import typing
from pathlib import Path
from typing import Any

from cnnjobs import registry

PAGE = Path(__file__).parents[2] / "docs" / "components.md"
TITLES = {
    "dataset": "Data sets",
    "augmentation": "Augmentations",
    "model": "Models",
    "loss": "Losses",
    "optimizer": "Optimizers",
    "schedule": "Schedules",
}


def test_golden_component_page_is_up_to_date() -> None:
    text = PAGE.read_text(encoding="utf-8")
    head, mark, _ = text.partition("<!-- written by `make golden` -->\n")
    assert mark
    wanted = head + mark + "".join(_section(kind, title) for kind, title in TITLES.items())
    if os.environ.get("CNNJOBS_GOLDEN") == "write":
        PAGE.write_text(wanted, encoding="utf-8")
    assert text == wanted or os.environ.get("CNNJOBS_GOLDEN"), "write the page again: make golden"


def _section(kind: str, title: str) -> str:
    rows = [f"\n## {title}\n\n| name | options and defaults | |\n| --- | --- | --- |\n"]
    for name, component in sorted(registry.components(kind).items()):
        options = "<br>".join(_option(key, parameter) for key, parameter in component.parameters.items())
        rows.append(f"| `{name}` | {options} | {component.summary} |\n")
    return "".join(rows)


def _option(key: str, parameter: registry.Parameter) -> str:
    default = "required" if parameter.default is registry.REQUIRED else f"{parameter.default!r}"
    default = re.sub(r"^\((.*?),?\)$", r"[\1]", default).replace("True", "true").replace("False", "false")
    default = re.sub(r"\bNone\b", "null", default)
    choices = _choices(parameter.annotation)
    return f"`{key}`: {default}" + (f" ({', '.join(choices)})" if choices else "")


def _choices(annotation: Any) -> list[str]:
    is_literal = typing.get_origin(annotation) is typing.Literal
    return [str(choice) for choice in typing.get_args(annotation)] if is_literal else []
