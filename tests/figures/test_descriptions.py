"""Filters that were planted are described as what they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from cnnjobs.figures.methods.filter_words import describe, least_coherence, orientation
from cnnjobs.figures.network.test_card import card_regions, draw_card

Filter = NDArray[np.float64]


def gabor(size: int, degrees: float, period: float, phase: float = np.pi / 2) -> Filter:
    """Waves (size, size) whose lines run at this angle, counter-clockwise from the horizontal."""
    rows, columns = np.mgrid[0:size, 0:size] - (size - 1) / 2
    normal = np.deg2rad(degrees + 90)
    across = np.cos(normal) * columns - np.sin(normal) * rows
    envelope = np.exp(-(rows**2 + columns**2) / (2 * (size / 3) ** 2))
    return np.asarray(np.cos(2 * np.pi * across / period + phase) * envelope)


def colour(size: int, red: float, green: float, blue: float) -> Filter:
    return np.ones((3, size, size)) * np.array([red, green, blue])[:, None, None]


def gray(pattern: Filter) -> Filter:
    return np.stack([pattern] * 3)


PLANTED = {
    "vertical": gray(gabor(7, 90, 7)),
    "horizontal": gray(gabor(7, 0, 7)),
    "rising diagonal": gray(gabor(7, 45, 7)),
    "falling diagonal": gray(gabor(7, 135, 7)),
    "blue": colour(7, -1, -1, 2),
    "green": colour(7, -1, 2, -1),
}
# Where on the card each of them finds what it looks for.
PLACES = dict(zip(PLANTED, ("vertical", "horizontal", "rising", "falling", "sky", "grass"), strict=True))


@pytest.mark.parametrize("name", PLANTED)
def test_planted_filters_are_named(name: str) -> None:
    (found,) = describe(PLANTED[name][None])
    assert found.words.startswith(name)
    assert (found.angle is None) == (name in ("blue", "green"))
    assert found.brightness + found.pattern + found.colour + found.colour_pattern == pytest.approx(1)


def test_planted_filters_answer_most_to_the_part_of_the_card_that_they_describe() -> None:
    image = torch.from_numpy(draw_card(224)).permute(2, 0, 1)[None].float() / 255 - 0.5
    weights = torch.from_numpy(np.stack(list(PLANTED.values()))).float()
    answers = F.conv2d(image, weights, padding=3)[0]
    for answer, region in zip(answers, PLACES.values(), strict=True):
        row, column = divmod(int(answer.argmax()), 224)
        rows, columns = card_regions(224)[region]
        assert rows.start <= row < rows.stop
        assert columns.start <= column < columns.stop


@pytest.mark.parametrize("size", [5, 7, 11])
@pytest.mark.parametrize("degrees", range(0, 180, 15))
def test_the_angle_is_that_of_the_lines(size: int, degrees: int) -> None:
    for period, phase in ((size / 2, 0.0), (size, 0.0), (size, 0.8), (size, np.pi / 2)):
        angle, coherence = orientation(gabor(size, degrees, max(period, 3), phase))
        assert abs((angle - degrees + 90) % 180 - 90) < 5
        assert coherence > least_coherence(size, size)


@pytest.mark.parametrize(
    ("phase", "period", "shape"),
    [(np.pi / 2, 14, "edge"), (0.0, 9, "line"), (0.0, 3.5, "stripes")],
    ids=["edge", "line", "stripes"],
)  # fmt: skip
def test_an_edge_changes_its_sign_once_a_line_twice(phase: float, period: float, shape: str) -> None:
    (found,) = describe(gray(gabor(7, 90, period, phase))[None])
    assert found.words == f"vertical {shape}, 90°"


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ((2, -1, -1), "red"), ((1, 0, -1), "orange"), ((1, 1, -2), "yellow"), ((0, 1, -1), "lime"),
        ((-1, 2, -1), "green"), ((-1, 1, 0), "turquoise"), ((-2, 1, 1), "cyan"), ((-1, 0, 1), "sky blue"),
        ((-1, -1, 2), "blue"), ((0, -1, 1), "violet"), ((1, -2, 1), "magenta"), ((1, -1, 0), "pink"),
    ],
    ids=str,
)  # fmt: skip
def test_colours_have_names(values: tuple[float, float, float], name: str) -> None:
    (found,) = describe(colour(5, *values)[None])
    assert found.words == name
    assert found.colour == pytest.approx(1)


def test_a_change_from_one_colour_to_another_has_both_names() -> None:
    for sign in (1, -1):
        wave = sign * gabor(7, 90, 14)
        (found,) = describe(np.stack([wave, wave, -2 * wave])[None])
        assert found.words == "vertical yellow/blue edge, 90°"
        assert found.colour_pattern == pytest.approx(1)


def test_what_has_nothing_to_describe_is_told() -> None:
    bright = np.ones((3, 5, 5))
    empty, plus, minus, tiny = describe(np.stack([0 * bright, bright, -bright, 1e-6 * bright]))
    assert [each.words for each in (empty, plus, minus, tiny)] == ["almost zero", "bright", "dark", "almost zero"]
    (single,) = describe(np.full((1, 1, 1, 1), 2.0))
    assert single.words == "bright"
    assert describe(np.zeros((2, 1, 3, 3)))[0].words == "almost zero"


@pytest.mark.parametrize("size", [3, 5, 7])
def test_few_filters_of_random_weights_have_an_orientation(size: int) -> None:
    noise = np.random.default_rng(3).normal(size=(400, 1, size, size))
    assert sum(each.angle is not None for each in describe(noise)) <= 40
    turned = describe(np.rot90(noise, axes=(2, 3)))
    for before, after in zip(describe(noise), turned, strict=True):
        assert (before.angle is None) == (after.angle is None)
        if before.angle is not None and after.angle is not None:
            assert abs((after.angle - before.angle) % 180 - 90) < 1e-6


@pytest.mark.parametrize("size", [5, 7])
def test_random_colours_are_no_pair_of_colours(size: int) -> None:
    noise = np.random.default_rng(4).normal(size=(200, 3, size, size))
    words = [each.words for each in describe(noise)]
    assert sum("/" in each for each in words) <= 10
    assert sum(each.startswith("no orientation") for each in words) >= 180
