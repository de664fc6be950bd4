"""Interval between validations: in epochs, or in steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from cnnjobs.config.mistakes import refusal
from cnnjobs.config.yaml import number_in, shown
from cnnjobs.registry import PositiveInt


class Steps(BaseModel):
    """So many steps of the optimizer; written `{steps: 1000}`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    steps: PositiveInt

    def __str__(self) -> str:
        return f"{self.steps} steps"


def choose_interval(value: Any) -> Any:
    """A number of epochs stays one; `{steps: 1000}` -> Steps."""
    if isinstance(value, Steps) or (type(value) in (int, float) and value > 0):
        return value
    if isinstance(value, Mapping):
        if list(value) == ["steps"] and type(value["steps"]) is int and value["steps"] > 0:
            return Steps(steps=value["steps"])
        raise refusal(f"found {shown(value)}", "write {steps: 1000}, a whole number of steps, or a number of epochs")
    if number_in(value) is not None:
        raise refusal(f"found the text {shown(value)}", f"write {value} without quotes")
    raise refusal(f"found {shown(value)}", "allowed: a number of epochs above 0, or steps: {steps: 1000}")
