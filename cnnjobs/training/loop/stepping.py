"""The schedule of a run, and when it is stepped: after each batch, each epoch or each validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from cnnjobs import registry
from cnnjobs.config.run import RunConfig
from cnnjobs.errors import InputError
from cnnjobs.training.networks.parts import build_schedule

Occasion = Literal["batch", "epoch", "validation"]
_METRICS: Final = {"min": "validation.loss", "max": "validation.accuracy"}


class SteppedSchedule:
    """The schedule that a run names, on its optimizer.

    Torch's own are stepped after each epoch, or as their `step` says, ReduceLROnPlateau after each validation with its
    loss (its accuracy with `mode: max`). One of the user's own that takes `steps_per_epoch` counts batches, any other
    epochs.
    """

    def __init__(self, config: RunConfig, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> None:
        self._steps_per_epoch = steps_per_epoch
        self._schedule = build_schedule(config, optimizer, steps_per_epoch)
        self.occasion: Occasion = _occasion(config, self._schedule)
        foreign = registry.is_foreign("schedule", config.schedule.name)
        told = f"schedule {config.schedule.name}: stepped after each {self.occasion}"
        self.notes: tuple[str, ...] = (told,) if foreign else ()

    def after_step(self, step: int) -> None:
        """Step number `step` of the optimizer, counted from 1, has been taken."""
        if self.occasion == "batch" or (self.occasion == "epoch" and step % self._steps_per_epoch == 0):
            self._schedule.step()

    def after_validation(self, measured: Mapping[str, float]) -> None:
        """The network was validated. Raises InputError where there was nothing to validate on."""
        if self.occasion != "validation":
            return
        metric = _METRICS[self._schedule.mode]
        if metric not in measured:
            raise InputError(f"schedule ReduceLROnPlateau follows {metric}: set dataset.validation above 0")
        self._schedule.step(measured[metric])

    def state_dict(self) -> dict[str, Any]:
        """Its state, and when it is stepped."""
        return {"occasion": self.occasion, "schedule": self._schedule.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; one that an earlier version left goes on as it was stepped then, after each batch."""
        if state.keys() != {"occasion", "schedule"}:
            state = {"occasion": "batch", "schedule": state}
        self.occasion = state["occasion"]
        self._schedule.load_state_dict(state["schedule"])


def _occasion(config: RunConfig, schedule: Any) -> Occasion:
    if isinstance(schedule, ReduceLROnPlateau):
        return "validation"
    component = registry.find("schedule", config.schedule.name)
    if component.is_librarys:
        return "batch" if config.schedule.options["step"] == "batch" else "epoch"
    own = registry.is_foreign("schedule", config.schedule.name)
    return "epoch" if own and "steps_per_epoch" not in component.given else "batch"
