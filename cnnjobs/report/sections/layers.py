"""The layers of a network: shapes, parameters, multiply-accumulates."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from functools import partial
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from cnnjobs.figures.network.layers import undisturbed
from cnnjobs.report.analysis.layer_design import Activations, Design, has_units, settings
from cnnjobs.report.analysis.products import Products
from cnnjobs.report.results.files import Grid

_Shape = tuple[int, ...] | None


@dataclass(frozen=True)
class Layer:
    """One call of a module. Parameters that an earlier row counted are not counted again (`shared`).

    The shapes (N, ...) are None where nothing tensor-like goes in or comes out, and for a module that is never called;
    that may be `used` all the same, its weights by the `forward` of another one.
    """

    name: str
    kind: str
    input_shape: tuple[int, ...] | None
    output_shape: tuple[int, ...] | None
    parameters: int
    trainable: int
    macs: int
    shared: bool = False
    called: bool = True
    used: bool = True
    design: Design = field(default_factory=Design)


@dataclass(frozen=True)
class Stage:
    """The layers of one part of a network, such as `layer1`; `output_shape` is that of the last one."""

    name: str
    output_shape: tuple[int, ...] | None
    parameters: int
    trainable: int
    macs: int


@dataclass(frozen=True)
class LayerTable:
    """The layers in the order of their calls, and the totals of the whole network.

    `macs` counts the multiply-accumulates of convolutions and matrix products, as torch's own counter does.
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

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The sums of the network's parts, in order; none where every part is one layer."""
        parts: dict[str, list[Layer]] = {}
        for layer, name in zip(self.layers, _stage_names([layer.name for layer in self.layers]), strict=True):
            parts.setdefault(name, []).append(layer)
        if all(len({layer.name for layer in layers}) == 1 for layers in parts.values()):
            return ()
        return tuple(_stage(name, layers) for name, layers in parts.items())


def layer_table(model: nn.Module, input_shape: tuple[int, ...], batch: int = 1) -> LayerTable:
    """The layers of `model` for images (batch, *input_shape), found by one forward pass over zeros.

    A layer is a module without children, or one that has parameters or multiplies by itself; what else a `forward`
    computes without a module has no row. Weights, buffers, modes, hooks and random generators stay as they are.
    """
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


def _stage_names(names: Sequence[str]) -> list[str]:
    """The first word of each dotted name, after the words that all of them start with."""
    words = [name.split(".") for name in names]
    depth = 1
    while all(len(each) > depth for each in words) and len({tuple(each[:depth]) for each in words}) == 1:
        depth += 1
    return [".".join(each[:depth]) for each in words]


def _stage(name: str, layers: Sequence[Layer]) -> Stage:
    shapes = [layer.output_shape for layer in layers if layer.called]
    parameters, trainable = sum(layer.parameters for layer in layers), sum(layer.trainable for layer in layers)
    return Stage(name, shapes[-1] if shapes else None, parameters, trainable, sum(layer.macs for layer in layers))


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


def layers_frame(table: LayerTable) -> pd.DataFrame:
    """A row per layer for programs: shapes with the batch, the stage that it belongs to, what no other row counts."""
    frame = pd.DataFrame(list(map(layer_facts, table.layers)), dtype=object)
    frame.insert(2, "stage", _stage_names([layer.name for layer in table.layers]))
    for column in frame.columns:
        cells = ["x".join(map(str, each)) if isinstance(each, tuple) else each for each in frame[column]]
        frame[column] = pd.Series(cells, dtype=object)
    return frame


def layer_facts(layer: Layer) -> dict[str, Any]:
    """All that is known of a layer in one mapping; None where it has no such thing."""
    facts = asdict(layer)
    design: dict[str, Any] = facts.pop("design")
    return facts | design


def layers_grid(table: LayerTable, *, with_batch: bool = False) -> Grid:
    """A row per layer, as in the tables of papers: what it is, what goes in and comes out, what it costs."""
    rows = []
    for layer in table.layers:
        shapes = (_shape_text(layer.input_shape, with_batch), _output(layer, with_batch))
        rows.append((layer.name, layer.kind, *shapes, *_costs(layer, layer.shared)))
    rows.append(("total", "", "", "", *_costs(table)))
    return _grid(("layer", "type"), ("input shape", "output shape"), rows, table)


def stages_grid(table: LayerTable, *, with_batch: bool = False) -> Grid:
    """A row per part of the network with the sums of its layers; empty where every part is one layer."""
    rows = [(stage.name, _shape_text(stage.output_shape, with_batch), *_costs(stage)) for stage in table.stages]
    return _grid(("stage",), ("output shape",), [*rows, ("total", "", *_costs(table))] if rows else [], table)


def _grid(words: tuple[str, ...], shapes: tuple[str, ...], rows: Sequence[tuple[str, ...]], table: LayerTable) -> Grid:
    """The columns of both tables; which parameters train is told only where some do not."""
    columns = (*words, *shapes, "parameters", "trainable", _macs_heading(table))
    if not table.frozen:
        place = columns.index("trainable")
        columns, *rows = ((*row[:place], *row[place + 1 :]) for row in (columns, *rows))
    return Grid(columns, tuple(rows), labels=len(words), marked=len(rows) - 1 if rows else None)


def _macs_heading(table: LayerTable) -> str:
    images = table.input_shape[0]
    return "multiply-accumulates" if images == 1 else f"multiply-accumulates of {images:,} images"


def _costs(part: Layer | Stage | LayerTable, shared: bool = False) -> tuple[str, str, str]:
    parameters = " ".join(filter(None, (_count(part.parameters), "shared" if shared else "")))
    return parameters, _count(part.trainable), _count(part.macs)


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _output(layer: Layer, with_batch: bool) -> str:
    if layer.output_shape is None:
        if layer.called:
            return "no tensor"
        return "used without a call" if layer.used else "never called"
    return _shape_text(layer.output_shape, with_batch)


def _shape_text(shape: _Shape, with_batch: bool) -> str:
    """`32×16×16`, or with the batch `64×32×16×16`."""
    return "" if shape is None else "×".join(map(str, shape if with_batch else shape[1:]))
