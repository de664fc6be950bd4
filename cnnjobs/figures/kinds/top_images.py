"""The images of a whole split that excite the channels of a layer most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import torch

from cnnjobs.figures.drawing.figure import Drawing, file_name
from cnnjobs.figures.drawing.rows import Panel, in_rows, panel_rows
from cnnjobs.figures.methods.top_images import SCORES, TopImages, search
from cnnjobs.figures.network.subject import Progress, Subject
from cnnjobs.registry import NonNegativeInt, PositiveInt, register


@register("figure", "top-images")
def draw_top_images(
    subject: Subject,
    progress: Progress,
    *,
    layer: str | None = None,
    channel: NonNegativeInt | None = None,
    first: PositiveInt = 8,
    top: PositiveInt = 9,
    score: Literal["sum", "max", "mean"] = "sum",
    split: Literal["train", "validation", "test"] = "test",
) -> Iterator[Drawing]:
    """The images of a whole split that excite a channel most; without a channel those of the first ones."""
    name = layer or subject.last_maps()
    if channel is not None:
        # Before any image is looked at.
        subject.maps(name, torch.zeros(1, *subject.input_shape), [channel])
    found = search(subject, name, split, score=score, top=top, progress=progress)
    count = len(found.indices)
    channels = range(min(first, count)) if channel is None else [channel]
    rows = _rows(subject, found, channels, split)
    which = f"channel {channel}" if channel is not None else f"channels 0 to {len(rows) - 1} of {count}"
    title = f"{name}, {which}: the {split} images with the largest {SCORES[score]}"
    if channel is None:
        figure = panel_rows(rows, title, labels=[f"channel {each}" for each in channels], narrowest=0.66)
    else:
        figure = panel_rows(in_rows(rows[0], most=3), title)
    best = f"the first is {found.indices[channel or 0][0]} with {found.scores[channel or 0][0]:.4g}"
    yield Drawing(
        name=file_name("top-images", name, score, split, which.partition(" of ")[0]),
        figure=figure,
        caption=(
            f"{title}, of all {found.num_images:,}, of {subject.name}; equal ones in the order of their numbers;"
            f" of channel {channel or 0} {best}."
        ),
        data={"indices": found.indices, "scores": found.scores, "positions": found.positions},
        facts={
            "kind": "top-images",
            "network": subject.name,
            "layer": name,
            "channel": channel,
            "score": score,
            "split": split,
            "num_images": found.num_images,
        },
    )


def _rows(subject: Subject, found: TopImages, channels: Sequence[int], split: str) -> list[list[Panel]]:
    """A row of images for each channel, with number, class and score."""
    wanted = sorted({int(index) for each in channels for index in found.indices[each]})
    images = dict(zip(wanted, subject.images(wanted, split), strict=True))
    rows = []
    for each in channels:
        ranked = zip(found.indices[each].tolist(), found.scores[each].tolist(), strict=True)
        rows.append(
            [Panel(images[index].shown, f"{index} {images[index].label} {value:.4g}") for index, value in ranked]
        )
    return rows
