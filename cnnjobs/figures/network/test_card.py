"""The test card: an image in which every kind of first-layer filter finds something to answer to."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_SKY: Final = ((60, 125, 225), (165, 205, 250))  # from above to the horizon
_GRASS: Final = (62, 132, 44)
_GRASS_NOISE: Final = 26.0
_GRAY: Final = (0.299, 0.587, 0.114)  # ITU-R BT.601
# The direction of the stripes, counter-clockwise from the horizontal.
_GRATINGS: Final = {"vertical": 90.0, "rising": 45.0, "falling": 135.0, "horizontal": 0.0}


def card_regions(size: int) -> dict[str, tuple[slice, slice]]:
    """Rows and columns of each part of the card: sky above, four gratings, grass below."""
    top, bottom = round(0.3 * size), round(0.7 * size)
    edges = [round(number * size / len(_GRATINGS)) for number in range(len(_GRATINGS) + 1)]
    gratings = {
        name: (slice(top, bottom), slice(edges[number], edges[number + 1])) for number, name in enumerate(_GRATINGS)
    }
    return {"sky": (slice(0, top), slice(0, size)), **gratings, "grass": (slice(bottom, size), slice(0, size))}


def draw_card(size: int, channels: int = 3) -> NDArray[np.uint8]:
    """The card as pixels (size, size, channels), gray where channels is not 3; the same pixels for the same size."""
    regions = card_regions(size)
    pixels = np.zeros((size, size, 3))
    sky, grass = regions["sky"], regions["grass"]
    height = sky[0].stop
    share = (np.arange(height) / max(height - 1, 1))[:, None, None]
    pixels[sky] = np.asarray(_SKY[0]) * (1 - share) + np.asarray(_SKY[1]) * share
    # RandomState is frozen: the same blades with every version of NumPy.
    blades = np.random.RandomState(0).normal(0, _GRASS_NOISE, (size - grass[0].start, size, 1))
    pixels[grass] = np.asarray(_GRASS) + blades
    for name, degrees in _GRATINGS.items():
        pixels[regions[name]] = _stripes(size, degrees)[regions[name]][..., None]
    pixels = pixels.clip(0, 255)
    if channels != 3:
        pixels = np.repeat((pixels @ np.asarray(_GRAY))[..., None], channels, axis=2)
    return pixels.round().astype(np.uint8)


def _stripes(size: int, degrees: float) -> NDArray[np.float64]:
    """Black and white stripes (size, size) in this direction, softened by one pixel."""
    period = max(4.0, size / 28)
    rows, columns = np.mgrid[0:size, 0:size]
    across = np.cos(np.deg2rad(degrees)) * rows + np.sin(np.deg2rad(degrees)) * columns
    wave = np.sin(2 * np.pi * (across + 0.5) / period)
    return np.asarray(127.5 + 110 * (wave * period / 3).clip(-1, 1))
