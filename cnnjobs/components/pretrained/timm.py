"""timm's classifiers, read from its source text where it is installed: nothing here imports it."""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Final

from cnnjobs.errors import UnknownNameError, suggest_nearest
from cnnjobs.registry import KINDS, Component, Fraction, Parameter

PREFIX: Final = "timm/"
_MODULE: Final = "cnnjobs.components.models.timm_models"
_OPTIONS: Final[dict[str, Parameter]] = {
    "drop_rate": Parameter(Fraction | None, None),
    "drop_path_rate": Parameter(Fraction | None, None),
}


@cache
def names() -> list[str]:
    """Every classifier's name, without `timm/`; none where timm is not installed."""
    spec = importlib.util.find_spec("timm")
    places = spec.submodule_search_locations if spec else None
    files = sorted((Path(places[0]) / "models").glob("*.py")) if places else []
    marked = re.compile(r"^@register_model\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)
    return sorted(name for file in files for name in marked.findall(file.read_text(encoding="utf-8")))


def component(name: str) -> Component:
    """The builder of a classifier, as the registry knows it. Raises UnknownNameError."""
    known = names()
    if not known:
        found = f"model `{PREFIX}{name}`: timm is not installed"
        raise UnknownNameError(f"{found}; install it with: pip install 'cnnjobs[timm]'")
    if name not in known:
        raise UnknownNameError(
            f"timm has no classifier `{name}`; {suggest_nearest(name, known, 'timm.list_models() lists all')}"
        )
    return Component(
        "model",
        f"{PREFIX}{name}",
        _MODULE,
        "timm_model",
        _OPTIONS,
        KINDS["model"].given,
        f"timm's {name}",
        {"name": name},
    )
