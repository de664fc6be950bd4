"""Filters in words, measured from their weights: orientation, colour, and how much of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.floating[Any]]

_SPECTRUM: Final = 32
_DRAWN: Final = 2000
_TINY: Final = 1e-3
_SECOND: Final = 0.25
# Of random colours the strongest axis has less of all changes than this.
_ONE_AXIS: Final = 0.8
# One for every 30°, so that equal parts of red, green and blue are never between two.
_HUES: Final = (
    "red", "orange", "yellow", "lime", "green", "turquoise", "cyan", "sky blue", "blue", "violet", "magenta", "pink",
)  # fmt: skip
_SHAPES: Final = {0: "edge", 1: "edge", 2: "line"}


@dataclass(frozen=True)
class FilterDescription:
    """One filter. The four shares are those of its squared weights and add up to 1.

    `brightness` is its mean, `pattern` what changes over its area in brightness, `colour` its mean colour,
    `colour_pattern` what changes in colour. `angle` is that of its lines in degrees, counter-clockwise from the
    horizontal, None without an orientation; `coherence` is 1 for lines of one direction and 0 without any.
    """

    words: str
    brightness: float
    pattern: float
    colour: float
    colour_pattern: float
    angle: float | None
    coherence: float


def describe(weights: Weights) -> list[FilterDescription]:
    """Words for each of the filters (K, C, h, w); C is 3 for colour, else 1."""
    weights = np.asarray(weights, dtype=np.float64)
    energies = (weights**2).sum((1, 2, 3))
    faint = _TINY**2 * energies.max(initial=0.0)
    return [_described(one) if energy > faint else _nothing() for one, energy in zip(weights, energies, strict=True)]


def orientation(patterns: Weights) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Angles of the lines in degrees [0, 180) and coherences [0, 1] of patterns (..., h, w).

    The mean direction of their power spectra, angles doubled so that opposite ones are one.
    """
    changing = patterns - patterns.mean((-2, -1), keepdims=True)
    power = np.abs(np.fft.fft2(changing, s=(_SPECTRUM, _SPECTRUM))) ** 2
    frequencies = np.fft.fftfreq(_SPECTRUM)
    upward, rightward = np.meshgrid(-frequencies, frequencies, indexing="ij")
    # A circle: what lies beyond it in the corners is there for diagonals alone.
    power = power * (np.hypot(upward, rightward) <= 0.5)
    total = power.sum((-2, -1))
    mean = (power * np.exp(2j * np.arctan2(upward, rightward))).sum((-2, -1)) / np.where(total > 0, total, 1.0)
    return (np.rad2deg(np.angle(mean)) / 2 + 90) % 180, np.abs(mean)


@cache
def least_coherence(height: int, width: int) -> float:
    """The coherence that one in 20 filters of random weights exceeds: less is no orientation."""
    if min(height, width) < 3:
        return 1.0
    noise = np.random.RandomState(0).normal(size=(_DRAWN, height, width))
    return float(np.percentile(orientation(noise)[1], 95))


def _nothing() -> FilterDescription:
    return FilterDescription("almost zero", 0.0, 0.0, 0.0, 0.0, None, 0.0)


def _described(weights: NDArray[np.float64]) -> FilterDescription:
    """weights (C, h, w)"""
    gray = weights.mean(0)
    colours = weights - gray
    mean_colour = colours.mean((1, 2))
    changing_colours = colours - mean_colour[:, None, None]
    shares = {
        "brightness": weights.size * gray.mean() ** 2,
        "pattern": len(weights) * float(((gray - gray.mean()) ** 2).sum()),
        "colour": gray.size * float((mean_colour**2).sum()),
        "colour_pattern": float((changing_colours**2).sum()),
    }
    total = sum(shares.values())
    shares = {name: float(energy / total) for name, energy in shares.items()}
    strongest = max(shares, key=lambda name: shares[name])
    pair = ""
    if strongest == "colour_pattern":
        pattern, pair = _colour_axis(changing_colours)
    else:
        pattern = gray - gray.mean()
    angles, coherences = orientation(pattern)
    angle, coherence = float(angles), float(coherences)
    oriented = shares["pattern"] + shares["colour_pattern"] > 0 and coherence > least_coherence(*gray.shape)
    if strongest == "brightness":
        words = "bright" if gray.mean() > 0 else "dark"
    elif strongest == "colour":
        words = hue(mean_colour)
    else:
        words = _pattern_words(pattern, angle if oriented else None, pair)
    if strongest != "colour" and shares["colour"] >= _SECOND:
        words += f", {hue(mean_colour)}"
    told = oriented and strongest in ("pattern", "colour_pattern")
    return FilterDescription(words, **shares, angle=angle if told else None, coherence=coherence)


def _colour_axis(colours: NDArray[np.float64]) -> tuple[NDArray[np.float64], str]:
    """The pattern (h, w) along the colour that changes most in colours (3, h, w), and its two ends where one leads."""
    flat = colours.reshape(len(colours), -1)
    axes, strengths, _ = np.linalg.svd(flat, full_matrices=False)
    axis = axes[:, 0]
    # The sign of a singular vector is arbitrary: red, else green, stands ahead.
    clear = np.abs(axis) > 0.1 * np.abs(axis).max()
    axis = axis * np.sign(axis[clear.argmax()])
    leads = strengths[0] ** 2 > _ONE_AXIS * (strengths**2).sum()
    return (axis @ flat).reshape(colours.shape[1:]), f"{hue(axis)}/{hue(-axis)} " if leads else "coloured "


def hue(colour: NDArray[np.float64]) -> str:
    """The name of a colour (red, green, blue), whose brightness does not count."""
    red, green, blue = colour
    degrees = np.rad2deg(np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue))
    return _HUES[round(float(degrees) / 30) % 12]


def _pattern_words(pattern: NDArray[np.float64], angle: float | None, pair: str) -> str:
    if angle is None:
        return f"no orientation, {pair}".rstrip(", ")
    return f"{_direction(angle)} {pair}{_shape(pattern, angle)}, {round(angle) % 180}°"


def _direction(angle: float) -> str:
    names = ("horizontal", "rising diagonal", "vertical", "falling diagonal", "horizontal")
    return names[round(angle / 45)]


def _shape(pattern: NDArray[np.float64], angle: float) -> str:
    """An edge changes its sign once across its lines, a line twice, stripes more often."""
    height, width = pattern.shape
    rows, columns = np.mgrid[0:height, 0:width]
    normal = np.deg2rad(angle + 90)
    across = np.cos(normal) * (columns - (width - 1) / 2) - np.sin(normal) * (rows - (height - 1) / 2)
    place = np.round(across).astype(int)
    profile = np.array([pattern[place == step].sum() for step in np.unique(place)])
    clear = profile[np.abs(profile) > 0.2 * np.abs(profile).max()]
    return _SHAPES.get(int((np.diff(np.sign(clear)) != 0).sum()), "stripes")
