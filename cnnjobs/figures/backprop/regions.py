"""Regions of an operand that a region of an operation's output depends on."""

from __future__ import annotations

from typing import Final

from torch.autograd.graph import Node

from cnnjobs.figures.backprop.graph import kind, saved, shape

# First and last index on one axis; None stands for all of them.
Interval = tuple[int, int] | None
# Rows and columns.
Region = tuple[Interval, Interval]

EVERYTHING: Final[Region] = (None, None)
_BATCH_NORMS: Final = {"NativeBatchNorm", "CudnnBatchNorm", "MiopenBatchNorm"}
# Each value of the output comes from the value at its own place.
_POINTWISE: Final = {
    "Relu", "LeakyRelu", "Hardtanh", "Clamp", "ClampMin", "ClampMax", "Threshold", "Elu", "Celu", "Gelu", "Silu",
    "Mish", "Softplus", "Sigmoid", "LogSigmoid", "Tanh", "PreluKernel", "RreluWithNoise", "Hardswish", "Hardsigmoid",
    "Hardshrink", "Softshrink", "Maximum", "Minimum", "Where", "Abs", "Exp", "Log", "Sqrt", "Rsqrt", "Pow", "Neg",
    "Add", "Sub", "Mul", "Div", "Clone", "ToCopy", "NativeDropout",
}  # fmt: skip
# And of these, where rows and columns stay what they are.
_RESHAPES: Final = {"View", "UnsafeView", "ReshapeAlias"}
# And of these, where the axes that they name are not rows and columns.
_OTHER_AXES: Final = {"Cat": ("dim",), "Split": ("dim",), "Transpose": ("dim0", "dim1")}


def needed(node: Node, number: int, size: tuple[int, ...], region: Region) -> Region:
    """The region of operand `number`, of `size` (..., H, W), that this region of the output depends on.

    Everything, where the operation is not known, or looks at the image as a whole.
    """
    output = shape(node)
    reshaped = kind(node) in _RESHAPES and size[-2:] != output[-2:]
    if len(size) < 3 or len(output) < 3 or reshaped:
        return EVERYTHING
    return (
        _needed_on(-2, node, number, (size[-2], output[-2]), region[0]),
        _needed_on(-1, node, number, (size[-1], output[-1]), region[1]),
    )


def clipped(region: Region, size: tuple[int, ...]) -> Region:
    """The part of a region that lies inside (..., H, W)."""
    rows, columns = (_clipped_on(interval, count) for interval, count in zip(region, size[-2:], strict=True))
    return rows, columns


def union(first: Region, second: Region) -> Region:
    """The smallest region that holds both."""
    rows, columns = (
        None if one is None or other is None else (min(one[0], other[0]), max(one[1], other[1]))
        for one, other in zip(first, second, strict=True)
    )
    return rows, columns


def _needed_on(axis: int, node: Node, number: int, sizes: tuple[int, int], interval: Interval) -> Interval:  # noqa: PLR0911
    """The same on one axis, -2 for rows and -1 for columns; `sizes` are the operand's and the output's."""
    if interval is None:
        return None
    low, high = interval
    name = kind(node)
    if name == "Convolution" and number == 0:
        return _convolved(axis, node, low, high)
    if name in {"MaxPool2DWithIndices", "AvgPool2D", "AvgPool3D"}:
        kernel = saved(node, "kernel_size")
        stride, dilation = saved(node, "stride") or kernel, saved(node, "dilation", (1, 1, 1))
        first, last = low * stride[axis], high * stride[axis] + dilation[axis] * (kernel[axis] - 1)
        return first - saved(node, "padding")[axis], last - saved(node, "padding")[axis]
    if name in {"AdaptiveAvgPool2D", "AdaptiveMaxPool2D"}:
        return low * sizes[0] // sizes[1], -(-(high + 1) * sizes[0] // sizes[1]) - 1
    if name == "ConstantPadNd":
        before = (*saved(node, "pad"), 0, 0)[-2 - 2 * axis]
        return low - before, high - before
    if name == "Slice":
        return _sliced(axis, node, sizes[0], low, high)
    if _same_place(node, name):
        # An operand of size 1 is spread over all places.
        return (0, 0) if sizes[0] == 1 else interval
    return None


def _convolved(axis: int, node: Node, low: int, high: int) -> Interval:
    kernel = saved(node, "weight").shape[axis]
    stride, padding = saved(node, "stride")[axis], saved(node, "padding")[axis]
    reach = saved(node, "dilation")[axis] * (kernel - 1)
    if saved(node, "transposed"):
        return -(-(low + padding - reach) // stride), (high + padding) // stride
    return low * stride - padding, high * stride - padding + reach


def _sliced(axis: int, node: Node, size: int, low: int, high: int) -> Interval:
    if saved(node, "dim") not in (axis, axis + len(shape(node))):
        return low, high
    start, step = saved(node, "start"), saved(node, "step")
    start = min(max(start + size if start < 0 else start, 0), size)
    return start + low * step, start + high * step


def _same_place(node: Node, name: str) -> bool:
    """Check whether a value of the output comes from values at its own row and column alone."""
    if name in _BATCH_NORMS:
        # With the statistics of the batch each value depends on all.
        return saved(node, "training") is False
    rank = len(shape(node))
    channels = _OTHER_AXES.get(name, ())
    return name in _POINTWISE | _RESHAPES or (
        bool(channels) and all(saved(node, dim) % rank < rank - 2 for dim in channels)
    )


def _clipped_on(interval: Interval, count: int) -> Interval:
    return None if interval is None else (min(max(interval[0], 0), count - 1), min(max(interval[1], 0), count - 1))
