"""A plain convolutional network, built from blocks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, pairwise
from typing import Final, Literal

from torch import nn

from cnnjobs.errors import InputError
from cnnjobs.registry import Fraction, PositiveInt, register

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
    pooling: Literal["max", "average", "stride"] = "max",
    dropout: Fraction = 0.0,
    activation: Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh"] = "relu",
    hidden: tuple[PositiveInt, ...] = (64,),
) -> nn.Module:
    """Blocks of convolutions that halve the image, then linear layers; as it stands, TDT4265 assignment 3, Table 2.

    images (N, in_channels, image_size, image_size) -> logits (N, num_classes); 390,410 parameters at 3x32x32.
    One block per entry of `filters`, its convolutions padded by kernel_size // 2; `kernel_size` may be one per block.
    `pooling: stride` halves with the last convolution of a block. Batch norm follows every layer but the last, dropout
    precedes every linear layer.
    """
    kernels = (kernel_size,) * len(filters) if isinstance(kernel_size, int) else tuple(kernel_size)
    if len(kernels) != len(filters):
        found = f"kernel_size has {len(kernels)} entries and filters {len(filters)}"
        raise InputError(f"model cnn: {found}; give one kernel_size for all blocks, or one for each")
    side = _checked_side(image_size, kernels, convolutions_per_block, pooling)
    layers = nn.Sequential()
    for block, (width, kernel) in enumerate(zip(filters, kernels, strict=True), 1):
        for number in range(1, convolutions_per_block + 1):
            name = f"{block}" if convolutions_per_block == 1 else f"{block}_{number}"
            halving = pooling if number == convolutions_per_block else None
            stride = 2 if halving == "stride" else 1
            layers.add_module(f"conv{name}", nn.Conv2d(in_channels, width, kernel, stride, padding=kernel // 2))
            if batch_norm:
                layers.add_module(f"norm{name}", nn.BatchNorm2d(width))
            for kind, layer in _pooled_activation(halving, activation):
                layers.add_module(f"{kind}{name}", layer)
            in_channels = width
    layers.add_module("flatten", nn.Flatten())
    for kind, layer in _classifier((in_channels * side**2, *hidden, num_classes), batch_norm, dropout, activation):
        layers.add_module(kind, layer)
    return layers


def _pooled_activation(halving: str | None, activation: str) -> list[tuple[str, nn.Module]]:
    """What follows a convolution, each layer with its kind: the activation, and pooling where the block ends."""
    layers: list[tuple[str, nn.Module]] = [(activation, _ACTIVATIONS[activation]())]
    if halving == "max":
        layers.insert(0 if activation in _MONOTONE else 1, ("pool", nn.MaxPool2d(2)))
    elif halving == "average":
        layers.append(("pool", nn.AvgPool2d(2)))
    return layers


def _classifier(
    widths: tuple[int, ...], batch_norm: bool, dropout: float, activation: str
) -> Iterator[tuple[str, nn.Module]]:
    """Linear layers from `widths[0]` features to `widths[-1]` logits."""
    for number, (inputs, outputs) in enumerate(pairwise(widths), 1):
        if dropout:
            yield f"dropout{number}", nn.Dropout(dropout)
        yield f"fc{number}", nn.Linear(inputs, outputs)
        if number < len(widths) - 1:
            if batch_norm:
                yield f"fc_norm{number}", nn.BatchNorm1d(outputs)
            yield f"fc_{activation}{number}", _ACTIVATIONS[activation]()


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
