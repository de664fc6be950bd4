"""The step of `augment` that brings images of any size to one, which is done as they are decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cnnjobs.components.files.fitting import Fitting
from cnnjobs.config.choice import Choice

FITTING: Final = ("resize", "letterbox")
# It makes the same of an image before and after.
_BEFORE: Final = ("grayscale",)


def fitting_place(augment: Sequence[Choice]) -> int | None:
    """The place of that step, where nothing stands before it that needs images of one size."""
    for place, step in enumerate(augment):
        if step.name in FITTING:
            return place
        if step.name not in _BEFORE:
            break
    return None


def fitting_of(augment: Sequence[Choice]) -> Fitting | None:
    """Work of that step. Raises InputError for options that do not go together."""
    place = fitting_place(augment)
    return None if place is None else augment[place].build().fitting


def without_fitting(augment: Sequence[Choice]) -> list[Choice]:
    """The steps that are left for images which it was done to already."""
    gone = fitting_place(augment)
    return [step for place, step in enumerate(augment) if place != gone]
