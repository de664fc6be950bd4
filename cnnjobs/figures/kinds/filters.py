"""The filters of a convolution, and what each of them looks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, Final, Literal

import numpy as np
from matplotlib.figure import Figure
from torch import nn

from cnnjobs.errors import InputError
from cnnjobs.figures.drawing.figure import Drawing, file_name, in_words
from cnnjobs.figures.drawing.mosaics import Maps, Pixels, coloured, signed
from cnnjobs.figures.drawing.rows import Panel, in_rows, panel_rows
from cnnjobs.figures.drawing.sheets import FEW, sheets
from cnnjobs.figures.methods.filter_words import FilterDescription, describe
from cnnjobs.figures.network.layers import find_layer
from cnnjobs.figures.network.subject import InputImage, Subject
from cnnjobs.registry import NonNegativeInt, register

_COLOURS: Final = ("red", "green", "blue")


@dataclass(frozen=True, eq=False)
class _View:
    """Filters (K, C, h, w) by their `numbers`, as they are looked at: C is 3 in colour, else 1."""

    layer: str
    numbers: list[int]
    weights: Maps
    count: int
    inputs: int
    channel: int | None

    @property
    def words(self) -> str:
        """Words for the filters."""
        if self.channel is None:
            return "in colour"
        colour = f" ({_COLOURS[self.channel]})" if self.inputs == 3 else ""
        return f"at input channel {self.channel}{colour}" + f" of {self.inputs}" * (self.inputs > 3)

    @property
    def title(self) -> str:
        """Title of the figure."""
        height, width = self.weights.shape[2:]
        number = f"{self.count}" if len(self.numbers) == self.count else f"{len(self.numbers)} of {self.count}"
        return f"{self.layer}: {number} filters of {height}×{width}, {self.words}"

    def pixels(self, *, shared: bool) -> tuple[Pixels, str]:
        """The filters as pictures (K, h, w, 3), and how to read them."""
        if self.channel is None:
            pixels, limits = coloured(self.weights.transpose(0, 2, 3, 1), shared=shared)
            zero = "gray is 0"
        else:
            pixels, limits = signed(self.weights[:, 0], shared=shared)
            zero = "white is 0, red above and blue below"
        full = f"±{limits.max(initial=0.0):.3g} for all" if shared else "the largest weight of each"
        return pixels, f"{zero}; full colour is {full}"


@register("figure", "filters")
def filters(
    subject: Subject,
    *,
    layer: str | None = None,
    mode: Literal["rgb", "channel"] | None = None,
    channel: NonNegativeInt | None = None,
    indices: tuple[NonNegativeInt, ...] = (),
    scale: Literal["shared", "each"] = "shared",
    image: str | None = None,
) -> Iterator[Drawing]:
    """The filters of a convolution, each described in words; with an image, what each answers to it."""
    name, weights = _weights(subject, layer)
    count = len(weights)
    for index in indices:
        if index >= count:
            raise InputError(f"layer `{name}`: there is no filter {index}; it has {count}, 0 to {count - 1}")
    numbers = list(indices) or list(range(count))
    if image is not None and len(numbers) > FEW:
        raise InputError(f"--image: what filters answer is drawn for up to {FEW} of them; choose with --indices")
    seen = None if image is None else subject.image(image)
    for chosen in _input_channels(name, weights.shape[1], mode, channel):
        looked_at = weights if chosen is None else weights[:, chosen : chosen + 1]
        view = _View(name, numbers, looked_at[numbers], count, weights.shape[1], chosen)
        yield from _drawings(subject, view, seen, shared=scale == "shared")


def _weights(subject: Subject, layer: str | None) -> tuple[str, Maps]:
    """The layer's name, that of the first convolution without one, and its weights (K, C, h, w)."""
    convolutions = [name for name, module in subject.model.named_modules() if isinstance(module, nn.Conv2d)]
    if layer is None and not convolutions:
        raise InputError(f"{subject.name} has no 2-d convolution, so it has no filters that could be drawn")
    name = convolutions[0] if layer is None else layer
    module = find_layer(subject.model, name)
    if not isinstance(module, nn.Conv2d):
        listed = ", ".join(convolutions[:8]) + ", …" * (len(convolutions) > 8)
        raise InputError(f"layer `{name}` is a {type(module).__name__} and has no filters; convolutions: {listed}")
    return name, module.weight.detach().float().cpu().numpy()


def _input_channels(name: str, inputs: int, mode: str | None, channel: int | None) -> Sequence[int | None]:
    """Input channel of each figure; None is all three in colour."""
    if mode is None:
        mode = "rgb" if inputs == 3 and channel is None else "channel"
    if mode == "rgb":
        if inputs != 3:
            raise InputError(f"--mode rgb: the filters of `{name}` see {inputs} channels, not red, green and blue")
        if channel is not None:
            raise InputError("--channel: in colour all three channels are drawn; leave it out, or use --mode channel")
        return [None]
    if channel is not None and channel >= inputs:
        raise InputError(f"--channel {channel}: the filters of `{name}` see {inputs} channels, 0 to {inputs - 1}")
    # Of many inputs the first stands for all; the caption says so.
    return [channel] if channel is not None else range(3) if inputs == 3 else [0]


def _drawings(subject: Subject, view: _View, seen: InputImage | None, *, shared: bool) -> Iterator[Drawing]:
    descriptions = describe(view.weights)
    pixels, note = view.pixels(shared=shared)
    words = [f"{number}: {each.words}" for number, each in zip(view.numbers, descriptions, strict=True)]
    data: dict[str, Any] = {"weights": view.weights, "indices": np.asarray(view.numbers)}
    figures: Iterator[tuple[range, Figure]]
    answers = ""
    if seen is None:
        figures = sheets(pixels, view.numbers, words, view.title, note)
    else:
        maps = subject.maps(view.layer, seen.inputs)[0, view.numbers].numpy()
        data |= {"activations": maps, "image": seen.shown}
        answers = f"; below each, what it answers to {seen.name}, before any activation function, white at 0"
        title = f"{view.title}, and what they answer to {seen.name}"
        figures = iter([(range(len(words)), _answers(pixels, words, maps, title, note))])
    described = [{"index": index, **asdict(each)} for index, each in zip(view.numbers, descriptions, strict=True)]
    for page, figure in figures:
        channel = () if view.channel is None or view.inputs == 1 else ("channel", view.channel)
        part = slice(page.start, page.stop)
        on_page = [in_words(view.numbers[part])] * (len(page) < view.count) + ["each"] * (not shared)
        yield Drawing(
            name=file_name("filters", view.layer, *channel, *on_page, *((seen.name,) if seen else ())),
            figure=figure,
            caption=f"{view.title}, of {subject.name}; {note}{answers}: {_summary(descriptions[part])}.",
            data=data,
            facts={
                "kind": "filters",
                "network": subject.name,
                "layer": view.layer,
                "scale": "shared" if shared else "each",
                "input_channel": view.channel,
                "image": seen and seen.name,
                "filters": described[part],
            },
            table=described[part],
        )


def _answers(pixels: Pixels, words: Sequence[str], maps: Maps, title: str, note: str) -> Figure:
    """Each filter above its map (h, w)."""
    above = in_rows([Panel(tile, text) for tile, text in zip(pixels, words, strict=True)])
    below = in_rows([Panel(tile) for tile in signed(maps, shared=False)[0]])
    rows = list(chain.from_iterable(zip(above, below, strict=True)))
    return panel_rows(rows, title, f"{note}. Maps: white is 0, red above and blue below, each to its own largest value")


def _summary(descriptions: Sequence[FilterDescription]) -> str:
    """Count of filters by kind: `12 vertical edges, 9 blue, 3 without orientation`."""
    found = Counter(each.words.partition(",")[0] for each in descriptions)
    return ", ".join(f"{number} {_plural(words, number)}" for words, number in found.most_common())


def _plural(words: str, number: int) -> str:
    words = words.replace("no orientation", "without orientation")
    return f"{words}s" if number > 1 and words.endswith(("edge", "line")) else words
