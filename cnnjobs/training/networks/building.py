"""A run's network from its configuration: made, checked, its lazy layers filled in."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from cnnjobs.config.run import RunConfig
from cnnjobs.errors import InputError
from cnnjobs.training.data.random_state import random_state, restore_random_state
from cnnjobs.training.networks.evaluate import evaluating
from cnnjobs.training.networks.shape_errors import misfit

Shape = tuple[int, int, int]

_CPU = torch.device("cpu")
# Batch norm wants more than one.
_IMAGES = 2


def build_model(config: RunConfig, input_shape: Shape, num_classes: int) -> nn.Module:
    """The network for images of `input_shape` (C, H, W), with weights drawn from the global generator.

    Raises InputError for what is no network, and for a lazy layer that sees no image.
    """
    model = _built(config, input_shape, num_classes)
    if any(map(is_lazy, (*model.parameters(), *model.buffers()))):
        _fill_in(model, input_shape, config.model.name)
    return model


def refuse_shared_weights(model: nn.Module, config: RunConfig, input_shape: Shape, num_classes: int) -> None:
    """Build the network of one's own once more: raises InputError when both train the same weights.

    A second run in the same process would start from what the first has learned. Random generators stay as they are.
    """
    if ":" not in config.model.name:
        return
    before = random_state(_CPU)
    try:
        with redirect_stdout(io.StringIO()):
            again = _built(config, input_shape, num_classes)
    except Exception:
        # What cannot be built twice shares nothing.
        return
    finally:
        restore_random_state(before, _CPU)
    trained = {id(parameter) for parameter in again.parameters() if parameter.requires_grad}
    shared = [name for name, parameter in model.named_parameters() if id(parameter) in trained]
    if model is again or shared:
        what = "the same network" if model is again else f"a network with the same weights ({shared[0]})"
        raise InputError(
            f"model `{config.model.name}` gives {what} at each call, so that a run would go on from the weights of the"
            " one before it; build it anew inside the function"
        )


def left_out(model: nn.Module) -> str:
    """Notes on layers in plain lists and dicts, which are no part of the network; or nothing."""
    own = set(model.modules())
    for name, module in model.named_modules():
        for attribute, value in vars(module).items():
            held = value.values() if isinstance(value, dict) else value
            if attribute.startswith("_") or not isinstance(value, list | tuple | dict):
                continue
            layers = [each for each in held if isinstance(each, nn.Module) and each not in own]
            if any(parameter.requires_grad for layer in layers for parameter in layer.parameters()):
                kind, place = type(value).__name__, f"{name}.{attribute}".removeprefix(".")
                return (
                    f"the layers in the {kind} `{place}` are no part of the network: they are neither trained nor saved"
                    f"; make it a torch.nn.{'ModuleDict' if isinstance(value, dict) else 'ModuleList'}"
                )
    return ""


def _built(config: RunConfig, input_shape: Shape, num_classes: int) -> nn.Module:
    model = config.model.build(in_channels=input_shape[0], num_classes=num_classes, image_size=input_shape[1])
    if not isinstance(model, nn.Module):
        found = f"the class `{model.__name__}`" if isinstance(model, type) else f"{type(model).__name__} {model!r}"
        raise InputError(
            f"model `{config.model.name}` gives {found[:80]}, which is no network; return an object of torch.nn.Module"
        )
    return model


def _fill_in(model: nn.Module, input_shape: Shape, name: str) -> None:
    """Let lazy layers find their shapes, and draw their weights, from images of zeros."""
    images = torch.zeros(_IMAGES, *input_shape)
    try:
        with torch.no_grad(), evaluating(model):
            model(images)
    except Exception as error:
        told = misfit(model, images, name, error)
        if told is None:
            raise
        raise told from error
    lazy = [layer or type(model).__name__ for layer, module in model.named_modules() if _is_lazy(module)]
    if lazy:
        raise InputError(
            f"model `{name}`: its layer {lazy[0]} is lazy and sees no image, so that it has no weights; call it in"
            " `forward`, or remove it"
        )


def _is_lazy(module: nn.Module) -> bool:
    own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    return any(map(is_lazy, own))
