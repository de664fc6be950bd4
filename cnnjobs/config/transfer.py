"""Transfer learning: initial weights and frozen parts, the keys `weights` and `freeze`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_serializer

from cnnjobs.components.pretrained import places
from cnnjobs.config.mistakes import refusal
from cnnjobs.config.yaml import shown
from cnnjobs.errors import UnknownNameError


class Freeze(BaseModel):
    """Modules that training leaves as they are, by names and patterns; with `all_but` every one but those.

    Written `[conv1, "layer1.*"]` or `{all_but: [layer4, fc]}`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    patterns: tuple[str, ...]
    all_but: bool = False

    @model_serializer
    def _flat(self) -> dict[str, list[str]] | list[str]:
        return {"all_but": [*self.patterns]} if self.all_but else [*self.patterns]


def choose_frozen(value: Any) -> Any:
    """A list of patterns, or `{all_but: [...]}` -> Freeze."""
    if value is None or isinstance(value, Freeze):
        return value
    all_but = isinstance(value, Mapping) and list(value) == ["all_but"]
    patterns = value["all_but"] if all_but else value
    if isinstance(patterns, list | tuple) and patterns and all(isinstance(each, str) and each for each in patterns):
        return Freeze(patterns=tuple(patterns), all_but=all_but)
    raise refusal(
        f"found {shown(value)}",
        'write names of modules or patterns of them ([conv1, "layer1.*"]), or those to train ({all_but: [layer4, fc]})',
    )


def choose_weights(value: str | None, info: ValidationInfo) -> str | None:
    """The weights by a name that stays: whatever is the model's DEFAULT today, a file, or `run:<run id>`."""
    if value is None or "model" not in info.data or places.is_file(value):
        return value
    if value.startswith(places.RUN):
        if value == places.RUN or "/" in value:
            raise refusal(f"found {shown(value)}", "write run: and the id of a finished run")
        return value
    try:
        return places.concrete_name(info.data["model"].name, value)
    except UnknownNameError as error:
        found, _, remedy = str(error).partition("; ")
        raise refusal(found, remedy) from None
