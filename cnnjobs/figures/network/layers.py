"""A network's layers by name: which there are, and what each gives for images."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cnnjobs.errors import InputError, UnknownNameError
from cnnjobs.training.networks.evaluate import undisturbed


@dataclass(frozen=True)
class NamedLayer:
    """A module of a network, and the shape (K, h, w) or (K,) of what its last call gives for one image."""

    name: str
    kind: str
    output_shape: tuple[int, ...]

    @property
    def spatial(self) -> bool:
        """True if it gives maps: one (h, w) per channel."""
        return len(self.output_shape) == 3


def list_layers(model: nn.Module, input_shape: tuple[int, ...]) -> tuple[NamedLayer, ...]:
    """The modules that the network calls for an image of `input_shape` (C, H, W), blocks ahead of their parts."""
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str, output: Tensor) -> None:
        shapes[name] = tuple(output.shape[1:])

    named = model.named_modules(remove_duplicate=False)
    modules = {name: module for name, module in named if name and not _is_compiled(module)}
    with undisturbed(model), torch.no_grad(), watching(modules, note):
        like = next(model.parameters(), torch.zeros(()))
        model(torch.zeros(1, *input_shape, dtype=like.dtype, device=like.device))
    return tuple(
        NamedLayer(name, type(module).__name__, shapes[name]) for name, module in modules.items() if name in shapes
    )


def called(name: str) -> str:
    """A layer's name as messages have it."""
    return f"layer `{name}`" if name else "the network's output"


def find_layer(model: nn.Module, name: str) -> nn.Module:
    """The module called `name`; the empty name is the whole network. Raises UnknownNameError with the nearest names."""
    modules = dict(model.named_modules(remove_duplicate=False))
    if name in modules:
        module: nn.Module = modules[name]
        _refuse_compiled(name, module)
        return module
    names = [each for each in modules if each]
    ends = [each for each in names if each.endswith(f".{name}")]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6) or ends[:3]
    remedy = f"did you mean {' or '.join(f'`{each}`' for each in near)}? " if near else ""
    raise UnknownNameError(f"the network has no layer `{name}`; {remedy}--list-layers shows all {len(names)} of them")


def _is_compiled(module: nn.Module) -> bool:
    return isinstance(module, torch.jit.ScriptModule)


def _refuse_compiled(name: str, module: nn.Module) -> None:
    if _is_compiled(module):
        raise InputError(f"{called(name)} is compiled by torch.jit.script: nothing can look into it")


def check_spatial(name: str, output: Tensor) -> None:
    """Raises InputError when a layer's `output` is no map per channel, (N, K, h, w)."""
    if output.ndim != 4:
        shape = "×".join(map(str, output.shape[1:])) or "one number"
        raise InputError(
            f"{called(name)} is not spatial ({shape} per image): it gives no maps; "
            "name a convolution or a block, --list-layers shows them"
        )


def check_channel(name: str, output: Tensor, channel: int) -> None:
    """Raises InputError when a layer's `output` (N, K, ...) has no such channel."""
    count = output.shape[1]
    if not 0 <= channel < count:
        raise InputError(f"{called(name)} has no channel {channel}; it has {count}, from 0 to {count - 1}")


class Prefix:
    """A network up to one layer: images (N, C, H, W) -> what the layer's last call gives, (N, K, h, w) or (N, K).

    The output is a copy, made when the layer returns: what follows may write into the layer's own. What follows is left
    out from the second use on. Gradients flow where they are enabled; the network stays as it is.
    """

    def __init__(self, model: nn.Module, name: str) -> None:
        self._model, self._name = model, name
        self._module = find_layer(model, name)
        self._calls = 0

    def __call__(self, images: Tensor) -> Tensor:
        """images (N, C, H, W) -> the layer's output. Raises InputError for a layer that is not called."""
        outputs: list[Tensor] = []

        def note(_: str, output: Tensor) -> None:
            outputs.append(output.clone())
            if len(outputs) == self._calls:
                raise _ReachedError

        with undisturbed(self._model), watching({self._name: self._module}, note), suppress(_ReachedError):
            self._model(images)
        if not outputs:
            raise InputError(f"{called(self._name)} is never called by the network; --list-layers shows what is")
        self._calls = len(outputs)
        return outputs[-1]


class _ReachedError(Exception):
    """The layer has been called for the last time."""


@contextmanager
def watching(modules: Mapping[str, nn.Module], note: Callable[[str, Tensor], None]) -> Iterator[None]:
    """`note` is given the name and the output of each of these modules whenever one returns.

    What is noted is the layer's own tensor, not a copy; of several tensors, the first. Raises InputError for a layer
    that is compiled.
    """
    for name, module in modules.items():
        _refuse_compiled(name, module)

    def hook(name: str, _module: nn.Module, _arguments: tuple[Any, ...], output: Any) -> None:
        tensor = _first_tensor(output)
        if tensor is not None:
            note(name, tensor)

    handles = [module.register_forward_hook(partial(hook, name)) for name, module in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _first_tensor(output: Any) -> Tensor | None:
    if isinstance(output, Tensor):
        return output
    parts = output.values() if isinstance(output, Mapping) else output if isinstance(output, tuple | list) else ()
    return next((tensor for tensor in map(_first_tensor, parts) if tensor is not None), None)
