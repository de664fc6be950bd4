"""Images as the network sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from cnnjobs.errors import InputError
from cnnjobs.figures.drawing.figure import Drawing, file_name, in_words
from cnnjobs.figures.drawing.rows import Panel, in_rows, panel_rows
from cnnjobs.figures.network.subject import Subject
from cnnjobs.registry import NonNegativeInt, register


@register("figure", "inputs")
def inputs(
    subject: Subject,
    *,
    image: str | None = None,
    images: tuple[NonNegativeInt, ...] = (),
    split: Literal["train", "validation", "test"] = "test",
) -> Iterator[Drawing]:
    """Images as the network sees them, but for the normalisation: a file, images of the data set, or the test card."""
    if images and image is not None:
        raise InputError("--image and --images: give one of the two")
    found = subject.images(images, split) if images else [subject.image(image, split)]
    _, height, width = subject.input_shape
    panels = [Panel(each.shown, "" if each.index is None else f"{each.index}: {each.label}") for each in found]
    names = found[0].name if len(found) == 1 else f"{split} images {in_words(images)}"
    title = f"Input: {names}, {height}×{width}"
    noted = "".join(f"; {note}" for note in found[0].notes)
    yield Drawing(
        name=file_name("inputs", names),
        figure=panel_rows(in_rows(panels, most=4), title),
        caption=f"{title} pixels as {subject.name} takes them, before the normalisation{noted}.",
        data={"images": np.stack([each.shown for each in found]), "indices": np.asarray(images, dtype=np.int64)},
        facts={
            "kind": "inputs",
            "network": subject.name,
            "images": [{"name": each.name, "index": each.index, "class": each.label} for each in found],
        },
    )
