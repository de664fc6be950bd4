"""Shapes and parameters of a network that is written as words: `conv:32,k=5,p=2 maxpool:2 flatten fc:10`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cnnjobs.components.theory.windows import Window, same_padding
from cnnjobs.errors import InputError, suggest

Shape = tuple[int, ...]

# The numbers of each layer: those that may stand without their name, in order, then those that need it.
_NUMBERS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "conv": (("filters", "kernel"), ("stride", "padding", "dilation", "bias")),
    "maxpool": (("kernel", "stride"), ("padding", "dilation")),
    "avgpool": (("kernel", "stride"), ("padding",)),
    "fc": (("features",), ("bias",)),
    "batchnorm": ((), ()),
    "flatten": ((), ()),
    "globalpool": ((), ()),
    **dict.fromkeys(("relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "softmax", "dropout"), ((), ())),
}
_SHORT: Final = {"k": "kernel", "s": "stride", "p": "padding", "d": "dilation", "f": "filters"}
_OTHER_NAMES: Final = {
    **{"pool": "maxpool", "conv2d": "conv", "linear": "fc", "dense": "fc", "bn": "batchnorm", "gap": "globalpool"},
    **{"maxpool2d": "maxpool", "avgpool2d": "avgpool", "batchnorm2d": "batchnorm"},
}
_SAME: Final = -1
_YES_NO: Final = {"yes": 1, "true": 1, "no": 0, "false": 0}


@dataclass(frozen=True)
class LayerStep:
    """One layer of the chain. A filter is what makes one output channel, or one feature of a linear layer."""

    word: str
    output_shape: Shape
    working: str = ""
    filters: int = 0
    weights_per_filter: int = 0
    biases: int = 0
    note: str = ""

    @property
    def weights(self) -> int:
        """Those of all filters, biases left out."""
        return self.filters * self.weights_per_filter

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weights + self.biases


def read_shape(text: str) -> Shape:
    """`3,32,32` or `3x32x32`, a square gray image of `512` pixels a side, or `400` features. Raises InputError."""
    parts = text.replace("x", ",").replace("×", ",").split(",")
    numbers = tuple(int(part) for part in parts if part.strip().isdecimal())
    if len(numbers) != len(parts) or len(numbers) not in (1, 3) or 0 in numbers:
        raise InputError(f"input {text}: write channels, height and width such as 3,32,32, or one number")
    return numbers


def follow(shape: Shape, words: Sequence[str]) -> list[LayerStep]:
    """The input (C, H, W) or (features,), then what each layer makes of it. Raises InputError."""
    layers = [_read(word, f"layer {number} `{word}`") for number, word in enumerate(words, 1)]
    if len(shape) == 1 and layers and layers[0][0] not in ("fc", "batchnorm"):
        shape = (1, *shape * 2)
    steps = [LayerStep("input", shape)]
    for number, (word, (kind, numbers)) in enumerate(zip(words, layers, strict=True), 1):
        steps.append(_step(word, kind, numbers, steps[-1].output_shape, f"layer {number} `{word}`"))
    return steps


def _read(word: str, place: str) -> tuple[str, dict[str, int]]:
    """(kind, its numbers by name). Raises InputError."""
    name, _, rest = word.partition(":")
    kind = _OTHER_NAMES.get(name.lower(), name.lower())
    if kind not in _NUMBERS:
        raise InputError(f"{place}: no layer is called `{name}`; {suggest(kind, _NUMBERS)}")
    in_order, named = _NUMBERS[kind]
    numbers: dict[str, int] = {}
    for position, item in enumerate(rest.split(",") if rest else []):
        key, equals, value = item.partition("=")
        if not equals:
            if position >= len(in_order):
                raise InputError(f"{place}: `{item}` has no name; {_example(kind)}")
            key, value = in_order[position], item
        key = _SHORT.get(key.strip(), key.strip())
        if key not in (*in_order, *named) or key in numbers:
            told = "is given twice" if key in numbers else "is none of its numbers"
            raise InputError(f"{place}: `{key}` {told}; {_example(kind)}")
        numbers[key] = _value(key, value.strip().lower(), place)
    for key in in_order if kind == "conv" else in_order[:1]:
        if key not in numbers:
            raise InputError(f"{place}: `{key}` is missing; {_example(kind)}")
    if numbers.get("padding") == _SAME:
        try:
            numbers["padding"] = same_padding(numbers["kernel"], numbers.get("dilation", 1))
        except InputError as error:
            raise InputError(f"{place}: {error}") from None
    return kind, numbers


def _value(key: str, text: str, place: str) -> int:
    if key == "bias" and text in _YES_NO:
        return _YES_NO[text]
    if key == "padding" and text == "same":
        return _SAME
    if key != "bias" and text.isdecimal() and (int(text) > 0 or key == "padding"):
        return int(text)
    allowed = {"bias": "yes or no", "padding": "0, a whole number, or same"}.get(key, "a whole number from 1 on")
    raise InputError(f"{place}: {key} is `{text}`; allowed: {allowed}")


def _example(kind: str) -> str:
    return {
        "conv": "write for example conv:32,kernel=5,stride=1,padding=2,dilation=1,bias=no",
        "maxpool": "write for example maxpool:3,stride=2,padding=1",
        "avgpool": "write for example avgpool:2,stride=2,padding=0",
        "fc": "write for example fc:64,bias=no",
    }.get(kind, f"`{kind}` takes no numbers")


def _step(word: str, kind: str, numbers: dict[str, int], shape: Shape, place: str) -> LayerStep:
    channels = shape[0]
    if kind == "fc":
        if len(shape) != 1:
            found = f"it needs flat features, and {shape_text(shape)} comes in"
            raise InputError(f"{place}: {found}; put `flatten` before it")
        features = numbers["features"]
        biases = features * numbers.get("bias", 1)
        return LayerStep(word, (features,), filters=features, weights_per_filter=channels, biases=biases)
    if kind == "batchnorm":
        note = f"{2 * channels:,} running averages beside them are not trained"
        return LayerStep(word, shape, filters=channels, weights_per_filter=1, biases=channels, note=note)
    if kind == "flatten":
        working = "·".join(map(str, shape)) + f" = {math.prod(shape)}" if len(shape) > 1 else ""
        return LayerStep(word, (math.prod(shape),), working)
    if kind not in ("conv", "maxpool", "avgpool", "globalpool"):
        return LayerStep(word, shape)
    if len(shape) != 3:
        raise InputError(f"{place}: it needs an image, and {channels} flat features come in; put it before `flatten`")
    if kind == "globalpool":
        return LayerStep(word, (channels, 1, 1))
    return _sliding(word, kind, numbers, shape, place)


def _sliding(word: str, kind: str, numbers: dict[str, int], shape: Shape, place: str) -> LayerStep:
    """A convolution or a pooling."""
    channels, height, width = shape
    stride = numbers.get("stride", 1 if kind == "conv" else numbers["kernel"])
    window = Window(numbers["kernel"], stride, numbers.get("padding", 0), numbers.get("dilation", 1))
    if kind != "conv" and window.padding > window.kernel // 2:
        found = f"padding {window.padding} is more than half of the window of {window.kernel}"
        raise InputError(f"{place}: {found}; the most is {window.kernel // 2}")
    sides = window.output(height), window.output(width)
    if 0 in sides:
        found = f"a window of {window.extent} does not fit into {height}×{width} with padding {window.padding}"
        raise InputError(f"{place}: {found}; take a smaller one, or more padding")
    working = "; ".join(dict.fromkeys((window.working(height), window.working(width))))
    note = _left_over(window.unseen(height), window.unseen(width))
    if kind != "conv":
        return LayerStep(word, (channels, *sides), working, note=note)
    filters, per_filter = numbers["filters"], window.kernel**2 * channels
    return LayerStep(word, (filters, *sides), working, filters, per_filter, filters * numbers.get("bias", 1), note)


def _left_over(rows: int, columns: int) -> str:
    counts = ((rows, "row"), (columns, "column"))
    parts = [f"the last {noun}" if count == 1 else f"the last {count} {noun}s" for count, noun in counts if count]
    return f"it never covers {' and '.join(parts)}" if parts else ""


def shape_text(shape: Shape) -> str:
    """`32×16×16`."""
    return "×".join(map(str, shape))
