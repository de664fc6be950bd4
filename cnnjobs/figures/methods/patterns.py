"""Patterns in images that a channel responds to: its activation, taken back to the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cnnjobs.figures.backprop.receptive_field import Box, receptive_field
from cnnjobs.figures.backprop.rules import Rules
from cnnjobs.figures.backprop.trace import Trace, trace
from cnnjobs.figures.network.layers import check_channel, check_spatial

# The unit of each image that answers most, or all of its units.
Units = Literal["strongest", "map"]

_BATCH = 8


@dataclass(frozen=True, eq=False)
class Patterns:
    """The `signals` (N, C, H, W) that reached the images' pixels from a layer's channel, or from all without one.

    `activations` (N,) are those of the strongest unit or the sums of the maps, negative ones left out: 0 where the
    channel does not answer. `windows` hold the receptive field of the unit, all of one size and inside the image;
    whole images where all units are meant.
    """

    layer: str
    channel: int | None
    units: Units
    rules: Rules
    signals: Tensor
    activations: Tensor
    positions: tuple[tuple[int, int] | None, ...]
    windows: tuple[Box, ...]
    notes: tuple[str, ...]

    @property
    def unanswered(self) -> tuple[int, ...]:
        """The images that the channel does not answer to."""
        return tuple(torch.nonzero(self.activations <= 0).flatten().tolist())

    def cropped(self, images: NDArray[np.generic]) -> NDArray[np.generic]:
        """images (N, H, W, C) -> what lies in the windows (N, h, w, C)."""
        return np.stack([
            image[window.top : window.bottom, window.left : window.right]
            for image, window in zip(images, self.windows, strict=True)
        ])  # fmt: skip


def find_patterns(
    model: nn.Module,
    images: Tensor,
    layer: str,
    channel: int | None = None,
    *,
    units: Units = "strongest",
    rules: Rules = Rules(),  # noqa: B008 (frozen)
) -> Patterns:
    """The patterns of one channel, or of all, in images (N, C, H, W) as the model takes them.

    Raises InputError for a layer without maps, a channel that it has not, and rules that do not apply to the network.
    """
    parts = [_patterns(trace(model, part, layer), channel, units, rules) for part in torch.split(images, _BATCH)]
    return Patterns(
        layer,
        channel,
        units,
        rules,
        signals=torch.cat([part.signals for part in parts]),
        activations=torch.cat([part.activations for part in parts]),
        positions=tuple(position for part in parts for position in part.positions),
        windows=tuple(window for part in parts for window in part.windows),
        notes=parts[0].notes,
    )


def _patterns(traced: Trace, channel: int | None, units: Units, rules: Rules) -> Patterns:
    check_spatial(traced.layer, traced.output)
    if channel is not None:
        check_channel(traced.layer, traced.output, channel)
    # What lies below 0 does not answer: behind the layer, a ReLU stops it.
    answers = traced.output.detach().clamp(min=0)
    chosen = torch.ones_like(answers[0]) if channel is None else torch.zeros_like(answers[0])
    chosen[channel] = 1
    answers = answers * chosen  # (N, K, h, w)
    positions: list[tuple[int, int] | None] = [None] * len(answers)
    if units == "strongest":
        width = answers.shape[-1]
        strongest = answers.flatten(1).argmax(1)  # (N,)
        answers *= nn.functional.one_hot(strongest, answers[0].numel()).view_as(answers)
        places = (strongest % answers[0, 0].numel()).tolist()
        positions = [divmod(place, width) for place in places]
    return Patterns(
        traced.layer,
        channel,
        units,
        rules,
        signals=traced.project(answers, rules).cpu(),
        activations=answers.sum((1, 2, 3)).cpu(),
        positions=tuple(positions),
        windows=tuple(_window(traced, position) for position in positions),
        notes=traced.notes(rules),
    )


def _window(traced: Trace, position: tuple[int, int] | None) -> Box:
    """The receptive field with its padding, moved into the image; the whole image where it is larger."""
    box = receptive_field(traced, position, padded=True)
    rows, columns = traced.images.shape[-2:]
    height, width = min(box.height, rows), min(box.width, columns)
    top, left = min(max(box.top, 0), rows - height), min(max(box.left, 0), columns - width)
    return Box(top, left, top + height, left + width)
