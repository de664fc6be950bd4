"""Output that a network must give: one tensor of logits, a row for each image and a column for each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from cnnjobs.errors import RunError

_SHAPING: Final = (
    "View",
    "UnsafeView",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "ToCopy",
    "Clone",
    "Transpose",
    "Permute",
    "T",
)
_WANTED: Final = "cnnjobs trains single-label classification"


def check_logits(output: Any, name: str, images: int, classes: int) -> Tensor:
    """The logits (images, classes) that model `name` gave. Raises RunError that tells what it gave in their place."""
    expected = (images, classes)
    if isinstance(output, Tensor) and output.shape == expected and output.is_floating_point():
        return output
    found, remedy = _several(output) if not isinstance(output, Tensor) else _other(output, images, classes)
    raise RunError(f"model `{name}` gives {found} for {images} images, not logits {expected}; {remedy}")


def _several(output: Any) -> tuple[str, str]:
    """Message for an output that is no tensor, with its remedy."""
    kind = type(output).__name__
    named = dict(output) if isinstance(output, Mapping) else _fields(output)
    parts = list(named.values()) if named else list(output) if isinstance(output, tuple | list) else []
    if not parts:
        return f"{'nothing (None)' if output is None else kind}", "`forward` returns one tensor of logits"
    names = f": {', '.join(map(str, named))}" if named else ""
    one = "its `logits`" if "logits" in named else "the logits of its main output"
    return (
        f"{kind} of {len(parts)}{names}",
        f"{_WANTED} on one output: return {one} alone, an auxiliary loss has no place here",
    )


def _fields(output: Any) -> dict[str, Any]:
    """The fields of a named tuple, or of an object that keeps them as attributes."""
    if hasattr(output, "_asdict"):
        return dict(output._asdict())
    return {} if isinstance(output, tuple | list) else dict(getattr(output, "__dict__", {}))


def _other(output: Tensor, images: int, classes: int) -> tuple[str, str]:
    """Message for a tensor of another shape, with its remedy."""
    shape, expected = tuple(output.shape), (images, classes)
    if not output.is_floating_point():
        remedy = "logits are real numbers with a gradient"
        if not output.is_complex() and shape != expected:
            remedy = "return the logits themselves, not the class that is largest"
        return f"{_dtype(output)} {shape}", remedy
    what, remedy = "", "keep the images of a batch apart: .flatten(1), or .view(x.size(0), -1)"
    if output.ndim == 4 and shape[:2] == expected:
        what, remedy = ", logits for each place,", f"{_WANTED}: take the mean over places, .mean((2, 3))"
    elif output.ndim == 4:
        what, remedy = ", maps,", "a classifier ends in .flatten(1) and a linear layer"
    elif shape in ((images,), (images, 1)):
        what = ", one number for each, as for BCE or MSE,"
        remedy = f"{_WANTED}: its last layer gives one logit for each class, also where there are two"
    elif output.ndim == 2 and shape[0] == images:
        remedy = f"the data set has {classes} classes: take num_classes={classes} outputs in its last layer"
    elif shape == (classes,):
        remedy = "a `squeeze()` without a dimension takes the batch away, too: use .flatten(1)"
    return f"{shape}{what}", remedy


def _dtype(output: Tensor) -> str:
    return str(output.dtype).removeprefix("torch.")


def strangeness(logits: Tensor) -> str:
    """Notes on outputs (B, classes) of a network that trains, though hardly as it was meant; or nothing."""
    rows = logits.detach().float()
    total = rows.sum(1)
    if logits.shape[1] > 1 and bool((rows >= 0).all()) and torch.allclose(total, torch.ones_like(total), atol=1e-3):
        return (
            "its outputs are probabilities, as of a softmax at the end of `forward`: the loss takes logits and has a"
            " softmax of its own, so that training is slow; leave the last one out"
        )
    if _last_operation(logits).startswith(("Sigmoid", "Hardsigmoid")):
        return (
            "all its outputs lie between 0 and 1, as of a sigmoid at the end of `forward`: the loss takes logits and"
            " has a softmax of its own, so that training is slow; leave the sigmoid out"
        )
    return ""


def _last_operation(output: Tensor) -> str:
    """The operation that made a tensor, whatever has been done to its shape and type since; empty where none is known.

    By its values it cannot be told: those of a new network may lie between 0 and 1, too.
    """
    node = output.grad_fn
    while node is not None and node.name().startswith(_SHAPING) and node.next_functions:
        node = node.next_functions[0][0]
    return node.name() if node is not None else ""
