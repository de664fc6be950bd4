"""The feature maps of a layer for one image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from torch import nn

from cnnjobs.errors import InputError
from cnnjobs.figures.drawing.figure import Drawing, file_name, in_words
from cnnjobs.figures.drawing.mosaics import Maps, grays, signed
from cnnjobs.figures.drawing.sheets import sheets
from cnnjobs.figures.network.layers import find_layer
from cnnjobs.figures.network.subject import InputImage, Subject
from cnnjobs.registry import NonNegativeInt, PositiveInt, register


@register("figure", "activations")
def activations(
    subject: Subject,
    *,
    layer: str | None = None,
    image: str | None = None,
    split: Literal["train", "validation", "test"] = "test",
    indices: tuple[NonNegativeInt, ...] = (),
    first: PositiveInt | None = None,
    max_channels: PositiveInt | None = None,
    scale: Literal["each", "shared"] = "each",
) -> Iterator[Drawing]:
    """The feature maps of a layer for one image, all channels; without a layer those of the first and the last one."""
    seen = subject.image(image, split)
    for name in [layer] if layer is not None else _ends(subject):
        maps = subject.maps(name, seen.inputs, indices)[0].numpy()
        numbers = _chosen(name, len(maps), indices, first, max_channels)
        yield from _drawings(subject, name, seen, maps, numbers, shared=scale == "shared")


def _ends(subject: Subject) -> list[str]:
    """The first convolution and the layer with the last maps."""
    first = [name for name, module in subject.model.named_modules() if isinstance(module, nn.Conv2d)][:1]
    return list(dict.fromkeys([*first, subject.last_maps()]))


def _chosen(name: str, count: int, indices: tuple[int, ...], first: int | None, max_channels: int | None) -> list[int]:
    """The channels to draw. Raises InputError for a choice that is none."""
    if indices and first is not None:
        raise InputError("--indices and --first: give one of the two")
    if first is not None and first > count:
        raise InputError(f"--first {first}: layer `{name}` has {count} channels")
    numbers = list(indices) or list(range(count if first is None else first))
    return numbers[:max_channels]


def _drawings(
    subject: Subject, name: str, seen: InputImage, maps: Maps, numbers: list[int], *, shared: bool
) -> Iterator[Drawing]:
    count, chosen = len(maps), maps[numbers]
    # A map of one value has no scale of its own.
    single = maps[0].size == 1
    shared = shared or single
    dead = [
        number
        for number, one in zip(numbers, chosen, strict=True)
        if one.min() == one.max() and not (single and one.any())
    ]
    rectified = _rectified(subject, name, maps)
    pixels, limits = (signed if maps.min() < 0 else grays)(chosen, shared=shared)
    number = f"{count}" if len(numbers) == count else f"{len(numbers)} of {count}"
    title = f"{name}: {number} maps of {maps.shape[1]}×{maps.shape[2]} for {seen.name}"
    note = _note(maps, limits, shared=shared)
    marks = "; ×: dead for this image, one value all over" if dead else ""
    labels = [f"{each} ×" if each in dead else f"{each}" for each in numbers]
    state = f"{rectified}; {note}{marks}"
    for page, figure in sheets(pixels, numbers, labels, title, state, crossed=dead):
        words = [in_words(numbers[page.start : page.stop])] * (len(page) < count) + ["shared"] * shared
        yield Drawing(
            name=file_name("activations", name, seen.name, *words),
            figure=figure,
            caption=f"{title}, of {subject.name}, {state}" + f" ({len(dead)} of {len(numbers)})" * bool(dead) + ".",
            data={"maps": chosen, "channels": np.asarray(numbers), "image": seen.shown},
            facts={
                "kind": "activations",
                "network": subject.name,
                "layer": name,
                "channels": numbers[page.start : page.stop],
                "of_channels": count,
                "image": seen.name,
                "index": seen.index,
                "class": seen.label,
                "rectified": rectified,
                "scale": "shared" if shared else "each",
                "dead": dead,
            },
        )


def _rectified(subject: Subject, name: str, maps: Maps) -> str:
    """Check whether these are values before or after a ReLU: by the layer's type, else by what is measured."""
    if isinstance(find_layer(subject.model, name), nn.ReLU | nn.ReLU6):
        return "after its ReLU"
    if maps.min() < 0:
        return f"not after a ReLU: values go down to {maps.min():.3g}"
    zeros = float((maps == 0).mean())
    return f"after a ReLU: none is below 0, {zeros:.0%} are 0" if zeros else "no value is 0 or below"


def _note(maps: Maps, limits: Any, *, shared: bool) -> str:
    full = f"{limits.max(initial=0.0):.3g} for all" if shared else "the largest value of each"
    if maps.min() < 0:
        return f"white is 0, red above and blue below; full colour is {full}"
    return f"black is 0, white is {full}"
