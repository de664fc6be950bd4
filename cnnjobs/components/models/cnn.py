"""A plain convolutional network, built from blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Final, Literal

from torch import nn

from cnnjobs.errors import InputError
from cnnjobs.registry import Fraction, NonNegativeFloat, PositiveInt, register

_ACTIVATIONS: Final[dict[str, type[nn.Module]]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
# Max pooling gives the same before or after these, and before them they have four times fewer values to compute.
_MONOTONE: Final = ("relu", "leaky_relu", "elu", "tanh")


@dataclass(frozen=True)
class _Style:
    """Settings shared by all layers of a network."""

    batch_norm: bool
    pre_activation: bool
    pooling: str
    activation: str
    negative_slope: float
    dropout: float

    def activate(self) -> nn.Module:
        """A new activation layer."""
        if self.activation == "leaky_relu":
            return nn.LeakyReLU(self.negative_slope)
        return _ACTIVATIONS[self.activation]()


@register("model", "cnn")
def cnn(  # noqa: PLR0913 (every option is a YAML key)
    in_channels: int,
    num_classes: int,
    image_size: int,
    *,
    filters: tuple[PositiveInt, ...] = (32, 64, 128),
    kernel_size: PositiveInt | tuple[PositiveInt, ...] = 5,
    convolutions_per_block: PositiveInt = 1,
    batch_norm: bool = False,
    pre_activation: bool = False,
    pooling: Literal["max", "average", "stride"] = "max",
    dropout: Fraction = 0.0,
    activation: Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh"] = "relu",
    negative_slope: NonNegativeFloat = 0.01,
    hidden: tuple[PositiveInt, ...] = (64,),
    initialisation: Literal["default", "kaiming", "xavier"] = "default",
) -> nn.Module:
    """Blocks of convolutions that halve the image, then linear layers; as it stands, TDT4265 assignment 3, Table 2.

    images (N, in_channels, image_size, image_size) -> logits (N, num_classes); 390,410 parameters at 3x32x32.
    One block per entry of `filters`, its convolutions padded by kernel_size // 2; `kernel_size` may be one per block.
    `pooling: stride` halves with the last convolution of a block. Batch norm follows every layer but the last, dropout
    precedes every linear layer. `pre_activation` puts norm and activation ahead of each convolution but the first, and
    once behind the last block (He et al. 2016, https://arxiv.org/abs/1603.05027). `initialisation` draws the weights of
    all layers from the normal distributions of He et al. 2015 or Glorot and Bengio 2010 and sets biases to 0; `default`
    is torch's own. `negative_slope` is that of leaky_relu.
    """
    kernels = (kernel_size,) * len(filters) if isinstance(kernel_size, int) else tuple(kernel_size)
    if len(kernels) != len(filters):
        found = f"kernel_size has {len(kernels)} entries and filters {len(filters)}"
        raise InputError(f"model cnn: {found}; give one kernel_size for all blocks, or one for each")
    side = _checked_side(image_size, kernels, convolutions_per_block, pooling)
    style = _Style(batch_norm, pre_activation, pooling, activation, negative_slope, dropout)
    layers = nn.Sequential()
    for name, layer in _features(in_channels, filters, kernels, convolutions_per_block, style):
        layers.add_module(name, layer)
    layers.add_module("flatten", nn.Flatten())
    features = (filters[-1] if filters else in_channels) * side**2
    for name, layer in _classifier((features, *hidden, num_classes), style):
        layers.add_module(name, layer)
    _initialise(layers, initialisation, style)
    return layers


def _features(
    channels: int, filters: tuple[int, ...], kernels: tuple[int, ...], convolutions_per_block: int, style: _Style
) -> Iterator[tuple[str, nn.Module]]:
    """The convolutional layers by name, from `channels` channels to `filters[-1]`."""
    first = True
    for block, (width, kernel) in enumerate(zip(filters, kernels, strict=True), 1):
        for number in range(1, convolutions_per_block + 1):
            name = f"{block}" if convolutions_per_block == 1 else f"{block}_{number}"
            halving = style.pooling if number == convolutions_per_block else None
            convolution = nn.Conv2d(channels, width, kernel, 2 if halving == "stride" else 1, padding=kernel // 2)
            if not style.pre_activation:
                yield f"conv{name}", convolution
                yield from _activated(name, width, halving, style)
            else:
                if not first:
                    yield from _activated(name, channels, None, style)
                yield f"conv{name}", convolution
                yield from _pool(name, halving)
            channels, first = width, False
    if style.pre_activation and not first:
        yield from _activated("_last", channels, None, style)


def _activated(name: str, channels: int, halving: str | None, style: _Style) -> Iterator[tuple[str, nn.Module]]:
    """Norm and activation, and the pooling of a block's end where it is cheapest."""
    if style.batch_norm:
        yield f"norm{name}", nn.BatchNorm2d(channels)
    pool_first = halving == "max" and style.activation in _MONOTONE
    if pool_first:
        yield from _pool(name, halving)
    yield f"{style.activation}{name}", style.activate()
    if not pool_first:
        yield from _pool(name, halving)


def _pool(name: str, halving: str | None) -> Iterator[tuple[str, nn.Module]]:
    if halving == "max":
        yield f"pool{name}", nn.MaxPool2d(2)
    elif halving == "average":
        yield f"pool{name}", nn.AvgPool2d(2)


def _classifier(widths: tuple[int, ...], style: _Style) -> Iterator[tuple[str, nn.Module]]:
    """Linear layers from `widths[0]` features to `widths[-1]` logits."""
    for number, (inputs, outputs) in enumerate(pairwise(widths), 1):
        if style.dropout:
            yield f"dropout{number}", nn.Dropout(style.dropout)
        yield f"fc{number}", nn.Linear(inputs, outputs)
        if number < len(widths) - 1:
            if style.batch_norm:
                yield f"fc_norm{number}", nn.BatchNorm1d(outputs)
            yield f"fc_{style.activation}{number}", style.activate()


def _initialise(layers: nn.Module, initialisation: str, style: _Style) -> None:
    """Draw the weights of every convolution and linear layer anew, unless torch's own will do."""
    if initialisation == "default":
        return
    slope = style.negative_slope if style.activation == "leaky_relu" else 0.0
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            if initialisation == "kaiming":
                nn.init.kaiming_normal_(layer.weight, a=slope)
            else:
                nn.init.xavier_normal_(layer.weight)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)


def _checked_side(image_size: int, kernels: tuple[int, ...], convolutions_per_block: int, pooling: str) -> int:
    """Height and width of the last feature maps. Raises InputError when nothing is left of the image."""
    side = _side(image_size, kernels, convolutions_per_block, pooling)
    if side < 1:
        smallest = next(size for size in count(1) if _side(size, kernels, convolutions_per_block, pooling) > 0)
        found = f"images of {image_size}×{image_size} pixels are too small for {len(kernels)} blocks"
        remedy = f"the smallest size that works is {smallest}; use fewer filters, or enlarge the images with `resize`"
        raise InputError(f"model cnn: {found}; {remedy}")
    return side


def _side(side: int, kernels: tuple[int, ...], convolutions_per_block: int, pooling: str) -> int:
    for kernel in kernels:
        growth = 2 * (kernel // 2) - kernel + 1  # 0 for odd kernels, 1 for even ones
        if not side:
            return 0
        side += growth * (convolutions_per_block - 1)
        side = (side + growth - 1) // 2 + 1 if pooling == "stride" else (side + growth) // 2
    return side
