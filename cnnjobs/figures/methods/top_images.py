"""The images of a split that excite each channel of a layer most."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnnjobs.errors import InputError
from cnnjobs.figures.network.layers import Prefix, check_spatial
from cnnjobs.figures.network.subject import Progress, Subject

Score = Literal["sum", "max", "mean"]
SCORES: Final = {"sum": "sum of the map", "max": "largest value of the map", "mean": "mean of the map"}

# Scores, numbers of the images, and places of the maxima in the flattened maps, each (n, K).
_Best = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class TopImages:
    """For each channel the images with the highest scores, the best first, equal ones by their numbers.

    `indices` (K, n) count from 0, `scores` (K, n); `positions` (K, n, 2) are row and column of each map's maximum.
    """

    indices: NDArray[np.int64]
    scores: NDArray[np.float64]
    positions: NDArray[np.int64]
    num_images: int


def top_images(
    maps_of: Callable[[Tensor], Tensor],
    batches: Iterable[Tensor],
    *,
    score: Score = "sum",
    top: int = 9,
    progress: Callable[[int], None] | None = None,
) -> TopImages:
    """The exact result over all batches (B, C, H, W), of which `maps_of` gives the maps (B, K, h, w).

    Only the best so far are kept. Raises InputError where a score is not a number.
    """
    best: _Best | None = None
    done = 0
    with torch.inference_mode():
        for images in batches:
            maps = maps_of(images)
            best = _better(best, maps, score_of(maps, score), done, top)
            done += len(images)
            if progress is not None:
                progress(done)
    if best is None:
        raise InputError("there are no images to choose from")
    scores, numbers, places = (part.T.cpu().numpy() for part in best)
    width = maps.shape[3]
    return TopImages(numbers, scores, np.stack([places // width, places % width], axis=-1), done)


def _better(best: _Best | None, maps: Tensor, scores: Tensor, start: int, top: int) -> _Best:
    """The best of those so far and of a batch of maps (B, K, h, w) with scores (B, K), numbered from `start` on."""
    if bool(scores.isnan().any()):
        index = start + int(scores.isnan().any(1).nonzero()[0])
        raise InputError(f"image {index}: its feature maps are not numbers (NaN): nothing can be ranked")
    numbers = torch.arange(start, start + len(scores), device=scores.device)[:, None].expand_as(scores)
    new = (scores, numbers, maps.flatten(2).argmax(2))
    merged = new if best is None else [torch.cat(parts) for parts in zip(best, new, strict=True)]
    # Stable, and what came before stands first: of equal scores the lowest number stays ahead.
    order = merged[0].sort(dim=0, descending=True, stable=True).indices[:top]
    scores, numbers, places = (part.gather(0, order) for part in merged)
    return scores, numbers, places


def score_of(maps: Tensor, score: Score) -> Tensor:
    """maps (B, K, h, w) -> one number each (B, K)."""
    if score == "max":
        return maps.amax((2, 3)).double()
    return (maps.sum((2, 3)) if score == "sum" else maps.mean((2, 3))).double()


def search(
    subject: Subject,
    layer: str,
    split: str = "test",
    *,
    score: Score = "sum",
    top: int = 9,
    progress: Progress | None = None,
) -> TopImages:
    """The best of every image of a split for each channel of a layer. Raises InputError for a layer without maps."""
    images = subject.split(split)
    prefix = Prefix(subject.model, layer)
    with torch.no_grad():
        check_spatial(layer, prefix(torch.zeros(1, *subject.input_shape, device=subject.device)))
    return top_images(
        prefix,
        (inputs for inputs, _ in subject.preprocessing.batches(images, 1)),
        score=score,
        top=top,
        progress=None if progress is None else lambda done: progress(done, len(images)),
    )
