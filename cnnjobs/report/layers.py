"""The layers of a network: output shapes, parameters, multiply-accumulates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True)
class Layer:
    """One call of a module. Parameters that an earlier row counted are not counted again (`shared`).

    `output_shape` (N, ...) is None where nothing tensor-like comes out and for a module that the network never calls.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...] | None
    parameters: int
    trainable: int
    macs: int
    shared: bool = False
    called: bool = True


@dataclass(frozen=True)
class LayerTable:
    """The layers in the order of their calls, and the totals of the whole network.

    `macs` counts the multiply-accumulates of convolutions and linear layers, and of nothing else.
    """

    layers: tuple[Layer, ...]
    input_shape: tuple[int, ...]
    parameters: int
    trainable: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates for the whole batch."""
        return sum(layer.macs for layer in self.layers)

    @property
    def frozen(self) -> int:
        """Parameters that training leaves as they are."""
        return self.parameters - self.trainable


def layer_table(model: nn.Module, input_shape: tuple[int, ...], batch: int = 1) -> LayerTable:
    """The layers of `model` for images (batch, *input_shape), found by one forward pass over zeros.

    A layer is a module without children, or one with parameters of its own; what a `forward` computes without a module
    has no row. Weights, buffers, modes, hooks and random generators stay as they are.
    """
    shape = (batch, *input_shape)
    layers: list[Layer] = []
    counted: set[int] = set()
    names = {module: name for name, module in model.named_modules() if _is_layer(module)}
    with _hooked(names, layers, counted), _evaluating(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
        model(_zeros(model, shape))
    seen = {layer.name for layer in layers}
    uncalled = [(name or _kind(module), module) for module, name in names.items()]
    layers += [_layer(name, module, None, 0, counted, called=False) for name, module in uncalled if name not in seen]
    every = list(model.parameters())
    trainable = sum(parameter.numel() for parameter in every if parameter.requires_grad)
    return LayerTable(tuple(layers), shape, sum(parameter.numel() for parameter in every), trainable)


def _is_layer(module: nn.Module) -> bool:
    return not any(True for _ in module.children()) or bool(list(module.parameters(recurse=False)))


def _zeros(model: nn.Module, shape: tuple[int, ...]) -> Tensor:
    like = next((parameter for parameter in model.parameters() if parameter.is_floating_point()), torch.zeros(()))
    return torch.zeros(shape, dtype=like.dtype, device=like.device)


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def _hooked(names: Mapping[nn.Module, str], layers: list[Layer], counted: set[int]) -> Iterator[None]:
    """Every call of a named module adds a row while this lasts."""

    def note(name: str, module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        layers.append(_layer(name or _kind(module), module, output, _macs(module, arguments, output), counted))

    handles = [module.register_forward_hook(partial(note, name)) for module, name in names.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _layer(name: str, module: nn.Module, output: Any, macs: int, counted: set[int], *, called: bool = True) -> Layer:
    own = list(module.parameters(recurse=False))
    new = [parameter for parameter in own if id(parameter) not in counted]
    counted.update(id(parameter) for parameter in new)
    tensor = _tensor(output)
    return Layer(
        name=name,
        kind=_kind(module),
        output_shape=None if tensor is None else tuple(tensor.shape),
        parameters=sum(parameter.numel() for parameter in new),
        trainable=sum(parameter.numel() for parameter in new if parameter.requires_grad),
        macs=macs,
        shared=len(new) < len(own),
        called=called,
    )


def _kind(module: nn.Module) -> str:
    return type(module).__name__


def _tensor(output: Any) -> Tensor | None:
    """The first tensor in what a module returned: itself, or in a tuple, list, mapping or dataclass."""
    if isinstance(output, Tensor):
        return output
    parts: list[Any] = []
    if isinstance(output, Mapping):
        parts = list(output.values())
    elif isinstance(output, tuple | list):
        parts = list(output)
    elif is_dataclass(output):
        parts = [getattr(output, field.name) for field in fields(output)]
    return next((tensor for tensor in map(_tensor, parts) if tensor is not None), None)


def _macs(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> int:
    """Multiply-accumulates of one call, biases left out; 0 for all but convolutions and linear layers."""
    if isinstance(module, nn.Linear):
        return int(output.numel()) * module.in_features
    if isinstance(module, _CONVOLUTIONS):
        return int(output.numel()) * math.prod(module.kernel_size) * module.in_channels // module.groups
    if isinstance(module, _TRANSPOSED):
        return int(arguments[0].numel()) * math.prod(module.kernel_size) * module.out_channels // module.groups
    return 0
