"""Optimizers: the program gives `parameters`, `lr` and `weight_decay`; the rest are YAML keys, torch's defaults."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from cnnjobs.errors import InputError
from cnnjobs.registry import Fraction, PositiveFloat, register

if TYPE_CHECKING:
    import torch

_BESIDE_STEP: Final = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")


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

    if nesterov and not momentum:
        raise InputError("optimizer sgd: nesterov needs momentum, found 0; give momentum a value above 0")
    return uncompiled(
        torch.optim.SGD, parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov, fused=True
    )


@register("optimizer", "adam")
def adam(
    parameters: Iterable[torch.nn.Parameter],
    lr: float,
    weight_decay: float,
    *,
    betas: tuple[Fraction, Fraction] = (0.9, 0.999),
    eps: PositiveFloat = 1e-8,
) -> torch.optim.Optimizer:
    """Adam, weight decay added to the gradient (Kingma and Ba 2015, https://arxiv.org/abs/1412.6980)."""
    import torch

    _check_betas("adam", betas)
    return uncompiled(torch.optim.Adam, parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True)


@register("optimizer", "adamw")
def adamw(
    parameters: Iterable[torch.nn.Parameter],
    lr: float,
    weight_decay: float,
    *,
    betas: tuple[Fraction, Fraction] = (0.9, 0.999),
    eps: PositiveFloat = 1e-8,
) -> torch.optim.Optimizer:
    """Adam with weight decay apart from the gradient (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101)."""
    import torch

    _check_betas("adamw", betas)
    return uncompiled(torch.optim.AdamW, parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True)


@register("optimizer", "rmsprop")
def rmsprop(
    parameters: Iterable[torch.nn.Parameter],
    lr: float,
    weight_decay: float,
    *,
    alpha: Fraction = 0.99,
    eps: PositiveFloat = 1e-8,
    momentum: Fraction = 0.0,
    centered: bool = False,
) -> torch.optim.Optimizer:
    """RMSprop; `alpha` smooths the squared gradients (Tieleman and Hinton 2012, lecture 6.5)."""
    import torch

    return uncompiled(
        torch.optim.RMSprop,
        parameters,
        lr=lr,
        alpha=alpha,
        eps=eps,
        momentum=momentum,
        centered=centered,
        weight_decay=weight_decay,
    )


def uncompiled(
    kind: type[torch.optim.Optimizer], parameters: Iterable[torch.nn.Parameter], **options: Any
) -> torch.optim.Optimizer:
    """One with the bare methods: torch loads its compiler, for a second in each process, only to keep it off them.

    Complex weights have no fused step.
    """
    import torch

    parameters = list(parameters)
    if options.get("fused") and any(parameter.is_complex() for parameter in parameters):
        options["fused"] = None

    own: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in _BESIDE_STEP}
    own["step"] = torch.no_grad()(inspect.unwrap(kind.step))
    made: torch.optim.Optimizer = type(kind.__name__, (kind,), own)(parameters, **options)
    return made


def _check_betas(name: str, betas: tuple[float, float]) -> None:
    if max(betas) >= 1:
        raise InputError(f"optimizer {name}: found betas {list(betas)}; allowed: 0 or more, below 1")
