"""The layers of a network, found by one forward pass: shapes, settings, parameters, multiply-accumulates."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cnnjobs.config.run import RunConfig
from cnnjobs.disk.layer_tables import Design, Layer, LayerTable
from cnnjobs.errors import InputError
from cnnjobs.training.data.random_state import random_state, restore_random_state
from cnnjobs.training.networks.building import Shape, build_model
from cnnjobs.training.networks.evaluate import undisturbed
from cnnjobs.training.networks.freezing import freeze
from cnnjobs.training.networks.layer_design import Activations, has_units, settings
from cnnjobs.training.networks.products import Products

_CPU = torch.device("cpu")
_Shape = tuple[int, ...] | None


def built_layers(config: RunConfig, input_shape: Shape, num_classes: int) -> LayerTable:
    """The layers of a run's network, built for this alone, its errors raised; random generators stay as they are."""
    before = random_state(_CPU)
    try:
        with redirect_stdout(io.StringIO()):
            network = build_model(config, input_shape, num_classes)
            if config.freeze:
                freeze(network, config.freeze)
            return layer_table(network, input_shape)
    finally:
        restore_random_state(before, _CPU)


def layer_table(model: nn.Module, input_shape: tuple[int, ...], batch: int = 1) -> LayerTable:
    """The layers of `model` for images (batch, *input_shape), found by one forward pass over zeros.

    A layer is a module without children, or one that has parameters or multiplies by itself; what else a `forward`
    computes without a module has no row. Weights, buffers, modes, hooks and random generators stay as they are.
    """
    refuse_compiled(model)
    shape = (batch, *input_shape)
    layers: list[Layer] = []
    counted: set[int] = set()
    names = {module: name for name, module in model.named_modules() if _is_layer(module)}
    activations, products = Activations(), Products()
    hooked = _hooked(model, layers, counted, activations, products)
    with hooked, undisturbed(model), torch.no_grad(), activations, products:
        model(_zeros(model, shape))
    layers = [_with_activation(layer, activations.found.get(row)) for row, layer in enumerate(layers)]
    seen = {layer.name for layer in layers}
    uncalled = {module: name or _kind(module) for module, name in names.items() if (name or _kind(module)) not in seen}
    used = _used(model, uncalled, shape) if uncalled else set()
    layers += [_uncalled(name, module, counted, used=module in used) for module, name in uncalled.items()]
    every = list(model.parameters())
    trainable = sum(parameter.numel() for parameter in every if parameter.requires_grad)
    return LayerTable(tuple(layers), shape, sum(parameter.numel() for parameter in every), trainable)


def refuse_compiled(model: nn.Module) -> None:
    """Raises InputError for a network in which torch.jit.script has left nothing to look into."""
    for name, module in model.named_modules():
        if _kind(module) == "RecursiveScriptModule":
            what = f"its layer {name}" if name else "it"
            raise InputError(
                f"the network cannot be looked into: {what} is compiled by torch.jit; it trains as it is, and to see"
                " its layers leave out torch.jit.script and torch.jit.load"
            )


def _is_layer(module: nn.Module) -> bool:
    return not any(True for _ in module.children()) or bool(list(module.parameters(recurse=False)))


def _zeros(model: nn.Module, shape: tuple[int, ...]) -> Tensor:
    like = next((parameter for parameter in model.parameters() if parameter.is_floating_point()), torch.zeros(()))
    return torch.zeros(shape, dtype=like.dtype, device=like.device)


@contextmanager
def _hooked(
    model: nn.Module, layers: list[Layer], counted: set[int], activations: Activations, products: Products
) -> Iterator[None]:
    """Every call of a layer adds a row while this lasts, and that of another module where it multiplies by itself."""

    def begin(name: str, module: nn.Module, _arguments: tuple[Any, ...]) -> None:
        products.begin()
        if _is_layer(module):
            activations.inside.append(name)

    def note(name: str, module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        macs = products.end()
        if _is_layer(module):
            activations.inside.pop()
        elif not macs:
            return
        if has_units(module):
            activations.left(len(layers), output)
        shapes = (_shape(arguments), _shape(output))
        layers.append(_layer(name or _kind(module), module, shapes, macs, counted))

    names = {module: name for name, module in model.named_modules()}
    handles = [module.register_forward_pre_hook(partial(begin, name)) for module, name in names.items()]
    handles += [module.register_forward_hook(partial(note, name)) for module, name in names.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _layer(name: str, module: nn.Module, shapes: tuple[_Shape, _Shape], macs: int, counted: set[int]) -> Layer:
    own = list(module.parameters(recurse=False))
    new = [parameter for parameter in own if id(parameter) not in counted]
    counted.update(id(parameter) for parameter in new)
    return Layer(
        name=name,
        kind=_kind(module),
        input_shape=shapes[0],
        output_shape=shapes[1],
        parameters=sum(parameter.numel() for parameter in new),
        trainable=sum(parameter.numel() for parameter in new if parameter.requires_grad),
        macs=macs,
        shared=len(new) < len(own),
        design=Design(**settings(module)),
    )


def _uncalled(name: str, module: nn.Module, counted: set[int], *, used: bool) -> Layer:
    return replace(_layer(name, module, (None, None), 0, counted), called=False, used=used)


def _used(model: nn.Module, modules: Collection[nn.Module], shape: tuple[int, ...]) -> set[nn.Module]:
    """Those of the modules whose parameters the output depends on."""
    owned = {each: module for module in modules for each in module.parameters(recurse=False) if each.requires_grad}
    if not owned:
        return set()
    with undisturbed(model), torch.enable_grad():
        outputs = [each for each in _tensors(model(_zeros(model, shape))) if each.requires_grad]
        total = sum(each.abs().sum() for each in outputs)
        if not isinstance(total, Tensor):
            return set()
        gradients = torch.autograd.grad(total, list(owned), allow_unused=True)
    return {module for module, gradient in zip(owned.values(), gradients, strict=True) if gradient is not None}


def _with_activation(layer: Layer, found: tuple[str, tuple[str, ...]] | None) -> Layer:
    if found is None:
        return layer
    return replace(layer, design=replace(layer.design, activation=found[0], pooled_first=found[1]))


def _kind(module: nn.Module) -> str:
    return type(module).__name__


def _shape(values: Any) -> _Shape:
    """The shape of the first tensor in what a module takes or returns: itself, or in a tuple, mapping or dataclass."""
    return next((tuple(tensor.shape) for tensor in _tensors(values)), None)


def _tensors(values: Any) -> Iterator[Tensor]:
    """The tensors in what a module takes or returns, in order."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, Mapping):
        yield from (tensor for each in values.values() for tensor in _tensors(each))
    elif isinstance(values, tuple | list):
        yield from (tensor for each in values for tensor in _tensors(each))
    elif is_dataclass(values):
        yield from (tensor for each in fields(values) for tensor in _tensors(getattr(values, each.name)))
