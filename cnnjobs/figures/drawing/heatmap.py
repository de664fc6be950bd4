"""Maps of importance as pictures: of pixels, signed or not, and laid over an image."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from cnnjobs.figures.drawing.mosaics import Maps, Pixels, grays, rgb, signed

# A few extreme pixels would leave no colour for all others.
FULL: Final = 99.0
_HEAT: Final = "inferno"
_SHARE: Final = 0.6


def strengths(values: Maps) -> Pixels:
    """Values (N, h, w) of at least 0 -> grays (N, h, w, 3), white at the 99th percentile of each."""
    return grays(cut(values), shared=False)[0]


def directions(values: Maps) -> Pixels:
    """Values (N, h, w) -> red above 0, blue below, (N, h, w, 3); full colour is the 99th percentile of each."""
    return signed(cut(values), shared=False)[0]


def cut(values: Maps) -> Maps:
    """Values (N, ...) of any sign, each of the N no further from 0 than the 99th percentile of its sizes."""
    sizes, axes = np.abs(values), tuple(range(1, values.ndim))
    limits = np.percentile(sizes, FULL, axis=axes, keepdims=True)
    # Where less than a hundredth is not 0, that is all there is.
    limits = np.where(limits > 0, limits, sizes.max(axis=axes, keepdims=True))
    return np.asarray(values.clip(-limits, limits))


def enlarged(maps: Tensor, size: tuple[int, int]) -> NDArray[np.float32]:
    """maps (N, h, w) -> (N, H, W), bilinear between the centres of the places."""
    return F.interpolate(maps[:, None].float(), size, mode="bilinear", align_corners=False)[:, 0].cpu().numpy()


def overlaid(images: Pixels, heat: Maps) -> Pixels:
    """Heat (N, H, W) of at least 0, each by its own largest value, over the gray images (N, H, W, C)."""
    largest = heat.max(axis=(1, 2), keepdims=True)
    colours = colormaps[_HEAT](heat / np.where(largest > 0, largest, 1))[..., :3]
    gray = rgb(images).mean(axis=-1, keepdims=True) / 255
    return np.asarray((255 * (_SHARE * colours + (1 - _SHARE) * gray)).round(), dtype=np.uint8)
