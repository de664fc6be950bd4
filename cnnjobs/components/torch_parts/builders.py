"""Builders of torch's own optimizers, schedules and losses; `path` is the import path, the options are YAML's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cnnjobs.components.optim import uncompiled
from cnnjobs.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.optim.lr_scheduler import LRScheduler

    from cnnjobs.components.torch_parts.transforms import Transform

_SHORT: Final = "OneCycleLR"
Built = TypeVar("Built")


def _telling(build: Callable[..., Built]) -> Callable[..., Built]:
    """With what torch says against an option as an InputError that names the class."""

    @wraps(build)
    def told(path: str, **given: Any) -> Built:
        try:
            return build(path, **given)
        except (TypeError, ValueError, RuntimeError) as error:
            said = " ".join(str(error).split())
            raise InputError(f"{build.__name__} {path}: torch refuses its options: {said}") from error

    return told


@_telling
def optimizer(path: str, parameters: Iterable[nn.Parameter], **options: Any) -> torch.optim.Optimizer:
    """An optimizer of torch with the run's `lr` and, where it has one, `weight_decay`."""
    return uncompiled(_class(path), parameters, **_given(options))


@_telling
def schedule(
    path: str, optimizer: torch.optim.Optimizer, epochs: int, steps_per_epoch: int, step: str = "epoch", **options: Any
) -> LRScheduler:
    """A schedule of torch, whose times are epochs, or batches with `step: batch`."""
    length = epochs * steps_per_epoch if step == "batch" else epochs
    own: dict[str, Any] = {}
    if path.endswith(f":{_SHORT}"):
        own = {"max_lr": optimizer.param_groups[0]["lr"], "total_steps": length}
    elif path.endswith(":CosineAnnealingLR"):
        own = {"T_max": length}
    given = own | _given(options)
    if own and given.get("total_steps", length) < length:
        raise ValueError(f"total_steps {given['total_steps']} ends before the run, which has {length}; leave it out")
    made: LRScheduler = _class(path)(optimizer, **given)
    return made


@_telling
def loss(path: str, **options: Any) -> nn.Module:
    """A loss of torch, the mean over a batch; `weight` has a number for each class."""
    import torch

    given = _given(options)
    if "weight" in given:
        given["weight"] = torch.tensor(given["weight"], dtype=torch.float32)
    made: nn.Module = _class(path)(**given)
    return made


@_telling
def augmentation(path: str, **options: Any) -> Transform:
    """A transform of torchvision; names of interpolations and policies stand for torchvision's own."""
    from torchvision.transforms import AutoAugmentPolicy, InterpolationMode

    from cnnjobs.components.torch_parts.transforms import Transform

    given = _given(options)
    for key, kind in (("interpolation", InterpolationMode), ("policy", AutoAugmentPolicy)):
        if key in given:
            given[key] = kind(given[key])
    return Transform(path, _class(path)(**given))


def _class(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Those that have a value: torch fills in the others."""
    return {key: value for key, value in options.items() if value is not None}
