"""The patterns that a channel answers to, taken back from its activations to the pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from itertools import chain
from typing import Any, Final, Literal

import numpy as np
import torch
from matplotlib.figure import Figure

from cnnjobs.errors import InputError
from cnnjobs.figures.backprop.routes import residual_additions
from cnnjobs.figures.backprop.rules import Route, Rules
from cnnjobs.figures.backprop.trace import trace
from cnnjobs.figures.drawing.figure import Drawing, file_name, in_words
from cnnjobs.figures.drawing.heatmap import cut
from cnnjobs.figures.drawing.mosaics import Maps, Pixels, coloured, pixel, rgb, tiled
from cnnjobs.figures.drawing.rows import Panel, in_rows, panel_rows
from cnnjobs.figures.drawing.style import INK, RULE
from cnnjobs.figures.methods.patterns import Patterns, Units, find_patterns
from cnnjobs.figures.methods.top_images import search
from cnnjobs.figures.network.layers import check_channel, check_spatial
from cnnjobs.figures.network.subject import InputImage, Progress, Subject
from cnnjobs.registry import NonNegativeInt, PositiveInt, register

_METHODS: Final[dict[str, str]] = {
    "vanilla": "the gradient",
    "deconv": "deconvolution",
    "guided": "guided back-propagation",
}
_UNITS: Final = {"strongest": "the strongest unit", "map": "all units"}
# A mosaic has about so many pixels of a printed page to itself.
_FINEST: Final = 480


@register("figure", "patterns")
def patterns(  # noqa: PLR0913 (every option is one of the command line)
    subject: Subject,
    progress: Progress,
    *,
    layer: str | None = None,
    channel: NonNegativeInt | None = None,
    image: str | None = None,
    images: tuple[NonNegativeInt, ...] = (),
    first: PositiveInt = 4,
    top: PositiveInt = 9,
    split: Literal["train", "validation", "test"] = "test",
    units: Literal["strongest", "map"] | None = None,
    method: Literal["deconv", "guided", "vanilla"] = "deconv",
    route: Literal["full", "trunk", "shortcut"] | None = None,
    blocks: Literal["last", "all"] = "last",
    unpool: Literal["sum", "switch"] = "sum",
    norm: Literal["vjp", "skip", "inverse"] = "vjp",
) -> Iterator[Drawing]:
    """Patterns that channels respond to: their activations taken back to the pixels; without images, of the top ones.

    Without a channel, that of all channels together in the images that are named, or else of the first channels, each
    in its own top images. Without a route, the full one and, in a residual network, trunk and shortcut on their own.
    """
    if images and image is not None:
        raise InputError("--image and --images: give one of the two")
    name = layer or subject.last_maps()
    rules = Rules(method, unpool, norm, route or "full", blocks)
    # Before any image is looked at.
    every = _routes(subject, name, channel, rules)
    units = units or ("map" if images or image is not None else "strongest")
    finder = _Finder(subject, name, rules, every if route is None else (route,), units, split, len(every) > 1)
    if images or image is not None:
        named = subject.images(images, split) if images else [subject.image(image, split)]
        yield _of_images(finder, named, channel)
    else:
        yield _of_top_images(finder, channel, first=first, top=top, progress=progress)


@dataclass(frozen=True, eq=False)
class _Finder:
    """Search for the patterns of every image."""

    subject: Subject
    layer: str
    rules: Rules
    routes: tuple[Route, ...]
    units: Units
    split: str
    residual: bool

    def find(self, images: Sequence[InputImage], channel: int | None) -> list[Patterns]:
        """The patterns of the images, once for every route."""
        inputs = torch.cat([each.inputs for each in images])
        model, units = self.subject.model, self.units
        rules = [replace(self.rules, route=route) for route in self.routes]
        return [find_patterns(model, inputs, self.layer, channel, units=units, rules=each) for each in rules]

    def words_of(self, route: Route) -> str:
        """Heading above the patterns of a route."""
        where = {"last": "last block", "all": "all blocks"}[self.rules.blocks]
        return "patterns" if route == "full" else f"through the {route}, {where}"


def _routes(subject: Subject, layer: str, channel: int | None, rules: Rules) -> tuple[Route, ...]:
    """All routes from a layer. Raises InputError where it has no maps, no such channel, or the rules do not apply."""
    traced = trace(subject.model, torch.zeros(1, *subject.input_shape, device=subject.device), layer)
    check_spatial(layer, traced.output)
    if channel is not None:
        check_channel(layer, traced.output, channel)
    traced.project(traced.output, rules)
    return ("full", "trunk", "shortcut") if residual_additions(traced.graph) else ("full",)


def _of_images(finder: _Finder, images: Sequence[InputImage], channel: int | None) -> Drawing:
    """The patterns of one channel, or of all, in images that were named; of one image, both."""
    which = "all channels" if channel is None else f"channel {channel}"
    by_label = {which: finder.find(images, channel)}
    if channel is not None and len(images) == 1:
        by_label["all channels"] = finder.find(images, None)
    heading = "image" if len(images) == 1 else "images"
    words = [heading, *map(finder.words_of, finder.routes)]
    rows: Sequence[Sequence[Panel]] = [_panels(images, found, words) for found in by_label.values()]
    found = list(chain.from_iterable(by_label.values()))
    if len(rows) == 1:
        rows = in_rows(rows[0], most=2)
    elif len(found) == 2 and finder.units == "map":
        rows = [_panels(images, found, [heading, *by_label])]
    numbers = tuple(each.index for each in images if each.index is not None)
    names = images[0].name if len(images) == 1 else f"{finder.split} images {in_words(numbers)}"
    title = f"{finder.layer}, {which}: patterns in {names}"
    figure = panel_rows(rows, title, _note(found), labels=list(by_label) if len(rows) == len(by_label) == 2 else [])
    return _drawing(finder, [which, names], title, figure, found=found, data=_data(images, found))


def _of_top_images(finder: _Finder, channel: int | None, *, first: int, top: int, progress: Progress) -> Drawing:
    """The patterns of one channel, or of the first ones, each in the images that excite it most."""
    score: Literal["max", "sum"] = "max" if finder.units == "strongest" else "sum"
    best = search(finder.subject, finder.layer, finder.split, score=score, top=top, progress=progress)
    count = len(best.indices)
    channels = range(min(first, count)) if channel is None else [channel]
    rows, found, data = [], [], []
    for each in channels:
        images = finder.subject.images(best.indices[each].tolist(), finder.split)
        of_channel = finder.find(images, each)
        rows.append(_panels(images, of_channel, ["images", *map(finder.words_of, finder.routes)]))
        found += of_channel
        data.append(_data(images, of_channel))
    which = f"channel {channel}" if channel is not None else f"channels 0 to {len(rows) - 1} of {count}"
    title = f"{finder.layer}, {which}: patterns in the {best.indices.shape[1]} {finder.split} images that excite "
    title += (
        f"{'each' if channel is None else 'it'} most, by the {'largest value' if score == 'max' else 'sum'} of the map"
    )
    if channel is None:
        figure = panel_rows(rows, title, _note(found), labels=[f"channel {each}" for each in channels])
    else:
        figure = panel_rows(in_rows(rows[0], most=2), title, _note(found))
    arrays = {key: np.stack([each[key] for each in data]) for key in data[0]}
    return _drawing(finder, [which, "top", finder.split], title, figure, found=found, data=arrays)


def _panels(images: Sequence[InputImage], found: Sequence[Patterns], words: Sequence[str]) -> list[Panel]:
    """A mosaic of the images, and beside it one of each kind of patterns, all cropped alike."""
    shown = _reduced(found[0].cropped(np.stack([rgb(each.shown) for each in images]))).round().astype(np.uint8)
    mosaics = [_mosaic(shown), *(_mosaic(_pictures(each)) for each in found)]
    return [Panel(pixels, text) for pixels, text in zip(mosaics, words, strict=True)]


def _pictures(found: Patterns) -> Pixels:
    """The cropped signals as pictures (N, h, w, 3): gray is 0; a cross where the channel does not answer."""
    # Made smaller first: the means of single strong pixels would be gray again.
    pixels, _ = coloured(cut(_reduced(rgb(found.cropped(found.signals.permute(0, 2, 3, 1).numpy())))), shared=False)
    height, width = pixels.shape[1:3]
    across = np.arange(max(height, width))
    rows, columns = across * height // len(across), across * width // len(across)
    for place in found.unanswered:
        pixels[place] = pixel(RULE)
        pixels[place, rows, columns] = pixels[place, rows, width - 1 - columns] = pixel(INK)
    return pixels


def _columns(count: int) -> int:
    return math.ceil(math.sqrt(count))


def _reduced(tiles: Any) -> Maps:
    """Tiles (N, h, w, 3) as means of blocks, no finer than their mosaic shows in print."""
    factor = max(1, round(_columns(len(tiles)) * tiles.shape[2] / _FINEST))
    count, height, width, _ = tiles.shape
    height, width = height // factor, width // factor
    blocks = tiles[:, : height * factor, : width * factor].reshape(count, height, factor, width, factor, 3)
    return np.asarray(blocks.mean(axis=(2, 4)))


def _mosaic(tiles: Pixels) -> Pixels:
    """Tiles (N, h, w, 3) as one picture."""
    return tiled(tiles, _columns(len(tiles)))


def _note(found: Sequence[Patterns]) -> str:
    """Note on reading the patterns."""
    unanswered = sum(len(each.unanswered) for each in found)
    window, shape = found[0].windows[0], found[0].signals.shape[2:]
    cropped = window.height < shape[0] or window.width < shape[1]
    parts = ["gray is 0; full colour is the 99th percentile of each"]
    parts += [f"cropped to the {window.height}×{window.width} pixels that the unit sees"] if cropped else []
    parts += ["×: no answer"] if unanswered else []
    return "; ".join(parts)


def _data(images: Sequence[InputImage], found: Sequence[Patterns]) -> dict[str, Any]:
    """The numbers that were drawn; but for the images, the first axis is that of what was found."""
    return {
        "images": found[0].cropped(np.stack([each.shown for each in images])),
        "indices": np.asarray([-1 if each.index is None else each.index for each in images]),
        "patterns": np.stack([each.cropped(each.signals.permute(0, 2, 3, 1).numpy()) for each in found]),
        "activations": np.stack([each.activations.numpy() for each in found]),
        "positions": np.asarray([[position or (-1, -1) for position in each.positions] for each in found]),
        "windows": np.asarray([[astuple(window) for window in each.windows] for each in found]),
    }


def _drawing(
    finder: _Finder,
    words: Sequence[str],
    title: str,
    figure: Figure,
    *,
    found: Sequence[Patterns],
    data: dict[str, Any],
) -> Drawing:
    """The figure with its caption; `words` tell its file from others."""
    rules, units = finder.rules, finder.units
    unanswered, total = sum(len(each.unanswered) for each in found), sum(len(each.windows) for each in found)
    parts = [f"{_UNITS[units]} of it, taken back to the pixels by {_METHODS[rules.relu]}", _note(found)]
    parts += [f"{unanswered} of {total} do not answer"] if unanswered else []
    parts += list(found[0].notes)
    return Drawing(
        name=file_name("patterns", rules.relu, finder.layer, *words, units, *_marks(finder)),
        figure=figure,
        caption=f"{title}, of {finder.subject.name}: {'; '.join(parts)}.",
        data=data,
        facts={
            "kind": "patterns",
            "network": finder.subject.name,
            "layer": finder.layer,
            "units": units,
            "rules": {key: value for key, value in asdict(rules).items() if key != "route"},
            "routes": list(finder.routes),
            "unanswered": unanswered,
        },
    )


def _marks(finder: _Finder) -> list[str]:
    """Rules that differ from the default, for the name of the file."""
    usual, rules = Rules(), finder.rules
    marks: list[str] = [*finder.routes] if finder.residual and len(finder.routes) == 1 else []
    marks += ["all-blocks"] if rules.blocks != usual.blocks else []
    marks += [
        f"{key}-{value}"
        for key, value in (("unpool", rules.unpool), ("norm", rules.norm))
        if value != getattr(usual, key)
    ]
    return marks
