"""The loss around a network's weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import numpy as np
import torch
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from cnnjobs.errors import InputError
from cnnjobs.figures.drawing.figure import Drawing, file_name
from cnnjobs.figures.drawing.style import HALF_PAGE, INK, PAPER, set_title, style
from cnnjobs.figures.methods.landscape import Landscape
from cnnjobs.figures.methods.landscape import landscape as measure
from cnnjobs.figures.network.predictions import draw_images
from cnnjobs.figures.network.subject import Progress, Subject
from cnnjobs.registry import NonNegativeInt, PositiveFloat, PositiveInt, register

_COLOURS: Final = "cividis"
_LEVELS: Final = 25
# A loss that grows by more is drawn by its logarithm.
_WIDE: Final = 5
_BATCH: Final = 256


@register("figure", "landscape")
def landscape(
    subject: Subject,
    progress: Progress,
    *,
    split: Literal["train", "validation", "test"] = "train",
    number: PositiveInt = 512,
    points: PositiveInt = 11,
    radius: PositiveFloat = 1.0,
    seed: NonNegativeInt = 0,
) -> Iterator[Drawing]:
    """The loss on a plane through the weights, along two random directions scaled like the filters."""
    if points % 2 == 0 or points < 3:
        raise InputError(f"--points {points}: write an odd number above 1, so that the network itself is one of them")
    images, labels = draw_images(subject, split, number, seed)
    batches = list(zip(torch.split(images, _BATCH), torch.split(labels, _BATCH), strict=True))
    assert subject.config is not None
    loss = subject.config.loss.build()
    if isinstance(loss, torch.nn.Module):
        loss = loss.eval().to(subject.device)
    steps = np.linspace(-radius, radius, points)
    found = measure(subject.model, batches, loss, steps.tolist(), seed=seed, progress=progress)
    own, accuracy = found.middle
    title = f"Loss around the weights, {len(labels):,} {split} images"
    name = subject.config.loss.name.replace("_", " ")
    largest = float(np.nanmax(found.loss))
    yield Drawing(
        name=file_name("landscape", split, *[f"seed-{seed}"] * (seed > 0)),
        figure=_chart(found, title),
        caption=(
            f"{title}, of {subject.name}: the mean {name} on a plane of two random directions (seed {seed}) in which"
            f" every filter is as long as the network's own, batch norms and biases left as they are; {own:.4g} in the"
            f" middle, with {accuracy:.1%} right, up to {largest:.4g} around it."
        ),
        data={"steps": found.steps, "loss": found.loss, "accuracy": found.accuracy},
        facts={
            **{"kind": "landscape", "network": subject.name, "split": split, "num_images": len(labels), "seed": seed},
            **{"loss": own, "accuracy": accuracy, "largest_loss": largest, "radius": radius},
        },
    )


def _chart(found: Landscape, title: str) -> Figure:
    values = np.ma.masked_invalid(found.loss)
    low, high = float(values.min()), float(values.max())
    wide = low > 0 and high > _WIDE * low
    norm: Normalize = LogNorm(low, high) if wide else Normalize(low, high)
    levels = np.geomspace(low, high, _LEVELS) if wide else np.linspace(low, max(high, low + 1e-9), _LEVELS)
    # Light lines where it is dark, dark ones where it is light.
    inks = [PAPER if place < _LEVELS // 2 else INK for place in range(0, _LEVELS, 3)]
    with style():
        figure = Figure(figsize=(HALF_PAGE, 4.2), layout="constrained")
        axes = figure.subplots()
        filled = axes.contourf(found.steps, found.steps, values, levels, norm=norm, cmap=_COLOURS)
        lines = axes.contour(found.steps, found.steps, values, levels[::3], colors=inks, linewidths=0.6)
        axes.clabel(lines, fmt="%.3g", fontsize=8)
        axes.plot(0, 0, marker="x", color=PAPER, markersize=8, markeredgewidth=2)
        bar = figure.colorbar(filled, ax=axes, shrink=0.75, format="%.3g", ticks=levels[::6])
        bar.set_label("loss")
        bar.ax.minorticks_off()
        axes.set(xlabel="second direction, in lengths of the filters", ylabel="first direction", aspect="equal")
        axes.grid(visible=False)
        set_title(axes, title, HALF_PAGE - 1)
        return figure
