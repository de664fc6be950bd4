"""The loss and the optimizer of a run, built; and parts of the user's own tried out before the first step.

What is missing in one of them is told by its name, not by an error of the first step that meets it. No draw of the run
is used up.
"""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from cnnjobs.config.run import RunConfig
from cnnjobs.errors import CnnjobsError, InputError, concerning
from cnnjobs.training.data.trials import is_foreign, kind, require, trying
from cnnjobs.training.networks.evaluate import Loss

_PAGE: Final = "docs/own-parts.md has one that works"
_TRIED: Final = 4
_MOST_EPOCHS: Final = 1000


def build_loss(config: RunConfig, num_classes: int, device: torch.device) -> Loss:
    """The loss on its device. Raises InputError for one that gives no mean over logits and labels."""
    with concerning("loss"):
        loss: Any = config.loss.build()
    if is_foreign(config.loss):
        with trying(config.loss):
            _try_loss(copy.deepcopy(loss), num_classes)
    built: Loss = loss.to(device) if isinstance(loss, nn.Module) else loss
    return built


def build_optimizer(config: RunConfig, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer of these parameters. Raises InputError for what is none."""
    given = {"lr": config.lr, "weight_decay": config.weight_decay}
    if is_foreign(config.optimizer):
        with trying(config.optimizer):
            weights = [nn.Parameter(torch.ones(2, 3, 3, 3)), nn.Parameter(torch.ones(2))]
            _try_optimizer(config.optimizer.build(parameters=weights, params=weights, **given), weights)
    with concerning("optimizer"):
        built: torch.optim.Optimizer = config.optimizer.build(parameters=parameters, params=parameters, **given)
    return built


def build_schedule(config: RunConfig, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> Any:
    """The schedule of this optimizer. Raises InputError for what cannot be stepped and saved."""
    given = {"epochs": config.epochs, "steps_per_epoch": steps_per_epoch}
    if is_foreign(config.schedule):
        with trying(config.schedule):
            tried = torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=config.lr, momentum=0.9)
            _try_schedule(config.schedule.build(optimizer=tried, **given), config.epochs)
    with concerning("schedule"):
        return config.schedule.build(optimizer=optimizer, **given)


def _try_loss(loss: Any, num_classes: int) -> None:
    require(callable(loss), f"is {kind(loss)}, which cannot be called with (logits, labels)")
    # As many images as classes would let it take one for the other.
    count = _TRIED + (num_classes == _TRIED)
    logits = torch.linspace(-1, 1, count * num_classes).view(count, num_classes).requires_grad_()
    shapes = f"logits ({count}, {num_classes}) and class numbers ({count},), int64"
    try:
        value = loss(logits, torch.arange(count) % num_classes)
    except CnnjobsError:
        raise
    except Exception as error:
        raise InputError(f"fails on {shapes}, as of single-label classification: {error}") from error
    require(isinstance(value, Tensor), f"gives {kind(value)}, not a tensor ()")
    require(value.ndim == 0, f"gives {tuple(value.shape)}, not one mean () over the batch")
    require(value.requires_grad, "has no gradient: it has to be computed from the logits by torch")
    value.backward()


def _try_optimizer(optimizer: Any, weights: Sequence[nn.Parameter]) -> None:
    require(isinstance(optimizer, torch.optim.Optimizer), f"gives {kind(optimizer)}, not a torch.optim.Optimizer")
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    before = weights[0].detach().clone()
    optimizer.step()
    require(not torch.equal(before, weights[0]), "leaves the weights as they are: `step()` has to change them")
    _check_state(optimizer)


def _try_schedule(schedule: Any, epochs: int) -> None:
    for name in ("step", "state_dict", "load_state_dict"):
        require(callable(getattr(schedule, name, None)), f"gives {kind(schedule)}, which has no `{name}()`")
    optimizer = getattr(schedule, "optimizer", None)
    if isinstance(optimizer, torch.optim.Optimizer):
        optimizer.step()
    schedule.step(*((1.0,) if isinstance(schedule, ReduceLROnPlateau) else ()))
    _check_state(schedule)
    if isinstance(optimizer, torch.optim.Optimizer) and not isinstance(schedule, ReduceLROnPlateau):
        _check_rates(schedule, optimizer, min(epochs, _MOST_EPOCHS))


def _check_rates(schedule: Any, optimizer: torch.optim.Optimizer, epochs: int) -> None:
    """Raises InputError for a schedule, stepped once so far, whose learning rate is none within as many steps."""
    for step in range(1, max(2, epochs)):
        for rate in (float(group["lr"]) for group in optimizer.param_groups):
            require(rate >= 0 and math.isfinite(rate), f"makes the learning rate {rate:g} after step {step}")
        optimizer.step()
        try:
            schedule.step()
        except Exception:
            # What is wrong with a later step the run tells.
            return


def _check_state(part: Any) -> None:
    """Raises InputError for what no checkpoint may hold."""
    buffer = io.BytesIO()
    try:
        torch.save(part.state_dict(), buffer)
        buffer.seek(0)
        torch.load(buffer, weights_only=True)
    except Exception as error:
        raise InputError("has a state that holds more than tensors and plain values: it cannot be saved") from error
