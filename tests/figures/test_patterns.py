"""Patterns: which unit, which pixels, how strong."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cnnjobs.components.models.resnet18 import resnet18
from cnnjobs.errors import InputError
from cnnjobs.figures.backprop.receptive_field import Box
from cnnjobs.figures.backprop.rules import Rules
from cnnjobs.figures.backprop.trace import back_project, trace
from cnnjobs.figures.methods.patterns import find_patterns


def images(count: int = 3, size: int = 48) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def spot_detector() -> nn.Module:
    """Channel 0 answers to a bright 3x3 spot in green, channel 1 to a dark one, channel 2 to nothing."""
    convolution = nn.Conv2d(3, 3, 3)
    convolution.weight.data.zero_()
    convolution.weight.data[0, 1], convolution.weight.data[1, 1] = 1.0, -1.0
    convolution.bias.data = torch.tensor([-4.0, -4.0, 0.0])
    return nn.Sequential(convolution, nn.ReLU(), nn.MaxPool2d(2))


def test_the_strongest_unit_shows_what_it_saw_and_nothing_else() -> None:
    spots = torch.zeros(3, 3, 12, 12)
    spots[0, 1, 5:8, 2:5] = 1.0
    spots[1, 1, 0:3, 9:12] = 2.0
    found = find_patterns(spot_detector(), spots, "2", 0)
    assert found.activations.tolist() == [5.0, 14.0, 0.0]
    assert found.positions[:2] == ((2, 1), (0, 4))
    assert found.unanswered == (2,)
    for row, (rows, columns, strength) in enumerate([((5, 8), (2, 5), 5.0), ((0, 3), (9, 12), 14.0)]):
        expected = torch.zeros(3, 12, 12)
        expected[1, slice(*rows), slice(*columns)] = strength
        # The best of the four units under the pooling's window gives back its own 3x3 pixels.
        assert torch.equal(found.signals[row], expected)
    assert not found.signals[2].any()
    assert found.windows[:2] == (Box(4, 2, 8, 6), Box(0, 8, 4, 12))
    cropped = found.cropped(found.signals.permute(0, 2, 3, 1).numpy())
    assert cropped.shape == (3, 4, 4, 3)
    assert cropped[:2].sum(axis=(1, 2, 3)).tolist() == [9 * 5.0, 9 * 14.0]


def test_all_units_are_one_projection_of_the_map_without_what_is_below_zero() -> None:
    model = resnet18(3, 10)
    found = find_patterns(model, images(), "layer3", 5, units="map")
    traced = trace(model, images(), "layer3")
    seed = torch.zeros_like(traced.output)
    seed[:, 5] = traced.output[:, 5]
    assert torch.equal(found.signals, traced.project(seed))
    assert torch.allclose(found.activations, traced.output[:, 5].sum((1, 2)))
    assert found.windows == (Box(0, 0, 48, 48),) * 3
    assert found.positions == (None, None, None)

    before_relu = find_patterns(model, images(), "bn1", 5, units="map", rules=Rules("vanilla"))
    answers = trace(model, images(), "bn1").output.relu() * (torch.arange(64) == 5).view(1, 64, 1, 1)
    assert torch.equal(before_relu.signals, back_project(model, images(), "bn1", answers, Rules("vanilla")))


def test_without_a_channel_all_of_them_count() -> None:
    model = resnet18(3, 10)
    output = trace(model, images(), "layer2").output
    every = find_patterns(model, images(), "layer2", units="map")
    assert torch.equal(every.signals, back_project(model, images(), "layer2", output))
    strongest = find_patterns(model, images(), "layer2")
    assert torch.equal(strongest.activations, output.amax((1, 2, 3)))


def test_many_images_are_as_good_as_one() -> None:
    model = resnet18(3, 10)
    many = find_patterns(model, images(10), "layer2", 3, rules=Rules(route="trunk"))
    for place in (0, 7, 8, 9):
        one = find_patterns(model, images(10)[place : place + 1], "layer2", 3, rules=Rules(route="trunk"))
        assert one.positions[0] == many.positions[place]
        assert one.windows[0] == many.windows[place]
        assert torch.allclose(one.signals[0], many.signals[place], atol=1e-5)
    again = find_patterns(model, images(10), "layer2", 3, rules=Rules(route="trunk"))
    assert torch.equal(again.signals, many.signals)


def test_a_window_lies_in_the_image_and_holds_all_of_the_pattern() -> None:
    model, size = resnet18(3, 10), 60
    found = find_patterns(model, images(5, size), "layer1", 7)
    rows = np.arange(size)
    for signal, window in zip(found.signals, found.windows, strict=True):
        assert (window.height, window.width) == (43, 43)
        assert min(window.top, window.left) >= 0
        assert max(window.bottom, window.right) <= size
        outside = (rows < window.top) | (rows >= window.bottom)
        assert not signal[:, outside].any()
    whole = find_patterns(model, images(2, size), "layer4", 7)
    assert whole.windows == (Box(0, 0, size, size),) * 2


def test_wrong_layers_channels_and_rules_are_told() -> None:
    model = resnet18(3, 10)
    with pytest.raises(InputError, match="layer `fc` is not spatial"):
        find_patterns(model, images(), "fc", 0)
    with pytest.raises(InputError, match="layer `layer1` has no channel 64; it has 64, from 0 to 63"):
        find_patterns(model, images(), "layer1", 64)
    with pytest.raises(InputError, match="no layer `layer5`; did you mean"):
        find_patterns(model, images(), "layer5", 0)
    with pytest.raises(InputError, match="layer `conv1` has no shortcut"):
        find_patterns(model, images(), "conv1", 0, rules=Rules(route="shortcut"))
