"""Optimizers: the program gives `parameters`, `lr` and `weight_decay`; the rest are YAML keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cnnjobs.registry import Fraction, register

if TYPE_CHECKING:
    import torch


@register("optimizer", "sgd")
def sgd(
    parameters: Iterable[torch.nn.Parameter],
    lr: float,
    weight_decay: float,
    *,
    momentum: Fraction = 0.0,
    nesterov: bool = False,
) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum (Sutskever et al. 2013)."""
    import torch

    return torch.optim.SGD(
        parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov, fused=True
    )
