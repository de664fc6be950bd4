"""Learning rate schedules: factors of the run's `lr`, as functions of the optimizer steps done.

The program gives `optimizer`, `epochs` and `steps_per_epoch`, and steps the schedule after each step of the optimizer.
YAML keys that are times count epochs, whole ones or parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from cnnjobs.errors import InputError
from cnnjobs.registry import Fraction, NonNegativeFloat, PositiveFloat, register

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


@register("schedule", "constant")
def constant(optimizer: Optimizer) -> LRScheduler:
    """The same learning rate throughout."""
    return _schedule(optimizer, lambda _: 1.0)


@register("schedule", "step")
def step(
    optimizer: Optimizer, steps_per_epoch: int, *, every: PositiveFloat, factor: PositiveFloat = 0.1
) -> LRScheduler:
    """Multiply by `factor` after every `every` epochs."""
    period = max(1, round(every * steps_per_epoch))
    return _schedule(optimizer, lambda step: factor ** (step // period))


@register("schedule", "multistep")
def multistep(
    optimizer: Optimizer, steps_per_epoch: int, *, milestones: tuple[PositiveFloat, ...], factor: PositiveFloat = 0.1
) -> LRScheduler:
    """Multiply by `factor` after each of the `milestones`, in epochs."""
    steps = [round(milestone * steps_per_epoch) for milestone in milestones]
    return _schedule(optimizer, lambda step: factor ** sum(step >= milestone for milestone in steps))


@register("schedule", "cosine")
def cosine(
    optimizer: Optimizer,
    epochs: int,
    steps_per_epoch: int,
    *,
    final: Fraction = 0.0,
    warmup: NonNegativeFloat = 0.0,
) -> LRScheduler:
    """Half a cosine from 1 to `final`, after `warmup` epochs of linear rise.

    Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983, without restarts.
    """
    if warmup >= epochs:
        raise InputError(
            f"schedule cosine: found warmup {warmup:g} in a run of {epochs} epochs; allowed: below {epochs}"
        )
    rise, total = round(warmup * steps_per_epoch), epochs * steps_per_epoch

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return _half_cosine(1.0, final, (step - rise) / max(1, total - rise))

    return _schedule(optimizer, factor)


@register("schedule", "one_cycle")
def one_cycle(
    optimizer: Optimizer,
    epochs: int,
    steps_per_epoch: int,
    *,
    warmup: Fraction = 0.3,
    start: Fraction = 0.04,
    final: Fraction = 4e-6,
) -> LRScheduler:
    """Up from `start` to 1 in the first `warmup` of the run, down to `final` by its last step, both by half a cosine.

    Smith and Topin 2018, https://arxiv.org/abs/1708.07120; the defaults are those of torch's OneCycleLR, without its
    cycle of momentum.
    """
    last = epochs * steps_per_epoch - 1
    top = warmup * (last + 1) - 1

    def factor(step: int) -> float:
        if step < top:
            return _half_cosine(start, 1.0, step / top)
        return _half_cosine(1.0, final, (step - top) / max(1.0, last - top))

    return _schedule(optimizer, factor)


def _half_cosine(start: float, end: float, progress: float) -> float:
    """From `start` at progress 0 to `end` at 1 and after."""
    return end + (start - end) * (1 + math.cos(math.pi * min(1.0, progress))) / 2


def _schedule(optimizer: Optimizer, factor: Callable[[int], float]) -> LRScheduler:
    from torch.optim.lr_scheduler import LambdaLR

    return LambdaLR(optimizer, factor)
