"""Backward rules of single operations, where they differ from the gradient."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node

from cnnjobs.errors import InputError
from cnnjobs.figures.backprop.graph import kind, saved
from cnnjobs.figures.backprop.rules import Rules
from cnnjobs.figures.network.layers import called

# (what autograd gives back to the operands, what came back to the output) -> what goes back to the operands instead;
# None stands for an operand without a gradient.
Change = Callable[[tuple[Any, ...], tuple[Any, ...]], tuple[Any, ...]]

# The rectifiers, with the argument that is 0 in one; ReLU itself has none.
_RECTIFIERS: Final = {
    "Relu": None,
    "Hardtanh": "min_val",
    "Clamp": "min",
    "ClampMin": "min",
    "Threshold": "threshold",
    "LeakyRelu": "negative_slope",
}
_OTHER_ACTIVATIONS: Final = {
    "Elu", "Celu", "Gelu", "Silu", "Mish", "Softplus", "Sigmoid", "LogSigmoid", "Tanh", "PreluKernel", "RreluWithNoise",
    "Glu", "Hardswish", "Hardsigmoid", "Hardshrink", "Softshrink", "Maximum", "Minimum", "Where",
}  # fmt: skip
# Operations that may hide a ReLU: writing into a part of a tensor, and scripted code.
_HIDING: Final = {"CopySlices", "DifferentiableGraph"}
_MAX_POOLINGS: Final = {"MaxPool2DWithIndices", "AdaptiveMaxPool2D"}
_BATCH_NORMS: Final = {"NativeBatchNorm", "CudnnBatchNorm", "MiopenBatchNorm"}


def ruled(node: Node, rules: Rules, layer: str) -> Change | None:
    """Backward function of an operation under these rules; None where that is the gradient.

    Raises InputError for an operation that they say nothing about.
    """
    name = kind(node)
    if rules.relu != "vanilla":
        if _rectifies(node, name):
            return _deconv if rules.relu == "deconv" else _guided
        if name in _RECTIFIERS or name in _OTHER_ACTIVATIONS:
            raise _without_rule(f"`{_snake_case(name)}` has no such rule", rules, layer)
        if name in _HIDING or issubclass(type(node), BackwardCFunction):
            raise _without_rule(f"`{_snake_case(name)}` may hide one", rules, layer)
    if rules.unpool == "switch" and name in _MAX_POOLINGS:
        return _switched(node)
    if rules.norm != "vjp" and name in _BATCH_NORMS:
        return _normalised(node, rules, layer)
    return None


def cut(operand: int) -> Change:
    """Nothing goes back to this operand."""

    def change(operands: tuple[Any, ...], _: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(torch.zeros_like(each) if index == operand else each for index, each in enumerate(operands))

    return change


def norm_scale(node: Node) -> Tensor | None:
    """The factors γ/√(var+ε) (C,) of a batch norm in eval mode; None for every other operation."""
    if kind(node) not in _BATCH_NORMS or saved(node, "training") or saved(node, "running_var") is None:
        return None
    variance, weight = saved(node, "running_var"), saved(node, "weight")
    scale: Tensor = (variance + saved(node, "eps", saved(node, "epsilon"))).rsqrt()
    return (scale if weight is None else scale * weight).detach()


def _rectifies(node: Node, name: str) -> bool:
    if name not in _RECTIFIERS:
        return False
    argument = _RECTIFIERS[name]
    bound = 0 if argument is None else saved(node, argument)
    return isinstance(bound, int | float) and bound == 0


def _deconv(operands: tuple[Any, ...], outputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return (outputs[0].clamp(min=0), *operands[1:])


def _guided(operands: tuple[Any, ...], _: tuple[Any, ...]) -> tuple[Any, ...]:
    # The gradient is 0 where the input was not positive; what is left is rectified.
    return (operands[0].clamp(min=0), *operands[1:])


def _switched(node: Node) -> Change:
    """Each input that is a maximum gets the signal of the last window that it is the maximum of, in reading order."""
    switches, size = saved(node, "result1").flatten(-2), saved(node, "self").shape

    def change(operands: tuple[Any, ...], outputs: tuple[Any, ...]) -> tuple[Any, ...]:
        signal = outputs[0].flatten(-2)  # (..., h·w)
        windows = torch.arange(1, signal.shape[-1] + 1, device=signal.device).expand_as(switches)
        nobody = torch.zeros(size, dtype=torch.long, device=signal.device).flatten(-2)  # (..., H·W)
        owners = nobody.scatter_reduce(-1, switches, windows, "amax")
        signal = torch.cat([torch.zeros_like(signal[..., :1]), signal], -1)
        return (signal.gather(-1, owners).view(size), *operands[1:])

    return change


def _normalised(node: Node, rules: Rules, layer: str) -> Change:
    scale = norm_scale(node)
    if scale is None:
        found = "a batch norm without running statistics lies between the images and it"
        raise InputError(f"{called(layer)}: {found}, which scales each batch in its own way; use the norm rule vjp")
    factor = torch.ones_like(scale) if rules.norm == "skip" else torch.where(scale == 0, 0, 1 / scale)

    def change(operands: tuple[Any, ...], outputs: tuple[Any, ...]) -> tuple[Any, ...]:
        signal = outputs[0]  # (N, C, ...)
        return (signal * factor.view(1, -1, *[1] * (signal.ndim - 2)), *operands[1:])

    return change


def _without_rule(found: str, rules: Rules, layer: str) -> InputError:
    exchanged = f"{rules.relu} exchanges the rule of every ReLU between the images and it"
    return InputError(f"{called(layer)}: {exchanged}, and {found}; use vanilla, the plain gradient")


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.removesuffix("Kernel")).lower()
