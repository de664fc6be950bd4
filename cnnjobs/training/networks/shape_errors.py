"""Layer of a network that does not accept its input."""

from __future__ import annotations

import re
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn

from cnnjobs.errors import RunError

_ABOUT_TYPES: Final = re.compile(r"\btype\b|dtype|\b(Half|Double|BFloat16)\b")
_ABOUT_SHAPES: Final = re.compile(r"shape|size|channel|dimension|elements", re.IGNORECASE)


def misfit(model: nn.Module, images: Tensor, name: str, error: Exception) -> RunError | None:
    """Message in place of `error`, which `model` raised on images (N, C, H, W); None when it is about no shape."""
    said = " ".join(str(error).split())
    if _ABOUT_TYPES.search(said) and (told := other_type(model)):
        return RunError(f"model `{name}`: {told}")
    if isinstance(error, torch.OutOfMemoryError) or not _ABOUT_SHAPES.search(said):
        return None
    layer, module, shapes = _failing_layer(model, images)
    if module is None:
        return None
    where = f"its layer {layer} ({type(module).__name__})" if layer else "its forward"
    given = f" of shape {', '.join(map(str, shapes))}" if shapes else ""
    return RunError(
        f"model `{name}` cannot take images {tuple(images.shape[1:])}: {where} fails on what it is given{given}: {said}"
    )


def other_type(model: nn.Module) -> str:
    """Message about the first parameters that are of another type than images; empty where all are float32."""
    for name, parameter in model.named_parameters():
        if parameter.is_floating_point() and parameter.dtype is not torch.float32:
            kind = str(parameter.dtype).removeprefix("torch.")
            return (
                f"its parameter {name} is {kind}, as of .half(), .double() or .to(dtype), and images are float32;"
                " leave that out: `precision: bfloat16` computes in half of the bits, from weights in float32"
            )
    return ""


def _failing_layer(model: nn.Module, images: Tensor) -> tuple[str, nn.Module | None, list[tuple[int, ...]]]:
    """Name, module and input shapes of the innermost module that fails on the images; no module when none does."""
    entered: list[tuple[str, nn.Module, list[tuple[int, ...]]]] = []

    def enter(name: str, module: nn.Module, arguments: tuple[Any, ...]) -> None:
        shapes = [tuple(each.shape) for each in arguments if isinstance(each, Tensor)]
        entered.append((name, module, shapes))

    def leave(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        del module, arguments, output
        entered.pop()

    with ExitStack() as stack, torch.no_grad():
        for name, module in model.named_modules():
            stack.callback(module.register_forward_pre_hook(partial(enter, name)).remove)
            stack.callback(module.register_forward_hook(leave).remove)
        try:
            model(images)
        except Exception:
            return entered[-1]
    return "", None, []
