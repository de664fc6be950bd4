"""Receptive fields against tables, against brute force, and against what back-projections reach."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from cnnjobs.components.models.resnet18 import resnet18
from cnnjobs.errors import InputError
from cnnjobs.figures.backprop.receptive_field import Box, receptive_field
from cnnjobs.figures.backprop.rules import Rules
from cnnjobs.figures.backprop.trace import trace


def images(size: int, channels: int = 3) -> Tensor:
    return torch.randn(1, channels, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("layer", "size", "step", "start"),
    [
        ("conv1", 7, 2, -3),
        ("maxpool", 11, 4, -5),
        ("layer1", 43, 4, -21),
        ("layer2", 99, 8, -49),
        ("layer3", 211, 16, -105),
        ("layer4", 435, 32, -217),
    ],
)
def test_the_fields_of_resnet18(layer: str, size: int, step: int, start: int) -> None:
    for model in (torchvision.models.resnet18(), resnet18(3, 10)):
        traced = trace(model, images(96), layer)
        first, second = (receptive_field(traced, (place, place), padded=True) for place in (0, 1))
        assert first == Box(start, start, start + size, start + size)
        assert second.top - first.top == second.left - first.left == step


def test_pooling_after_layer1_makes_the_field_smaller() -> None:
    traced = trace(resnet18(3, 10, pool_position="after"), images(96), "layer4")
    assert receptive_field(traced, (0, 0), padded=True) == Box(-209, -209, 210, 210)


class Dense(nn.Module):
    """Joins and adds branches of different reach, cuts an edge off, widens another, mixes groups of channels."""

    def __init__(self) -> None:
        super().__init__()
        self.near, self.far = nn.Conv2d(3, 4, (1, 3), padding=(0, 1)), nn.Conv2d(3, 4, 3, padding=2, dilation=2)
        self.last = nn.Conv2d(8, 8, 3, stride=2, groups=2)

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.cat([self.near(x), self.far(x) + 0.5 * self.near(x)], 1)
        shuffled = joined.view(-1, 2, 4, *joined.shape[2:]).transpose(1, 2).reshape(joined.shape)
        return self.last(F.pad(shuffled[:, :, 1:, 2:], (2, 0, 1, 3)))


def sequential(*layers: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(*layers)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "stride": sequential(nn.Conv2d(3, 4, 4, 2, 1), nn.Conv2d(4, 4, 3, 2)),
    "left over": sequential(nn.Conv2d(3, 4, 2, 3), nn.Conv2d(4, 2, 3, padding=1)),
    "dilation": sequential(nn.Conv2d(3, 4, (3, 2), dilation=(2, 3), padding=(1, 0)), nn.Tanh(), nn.Conv2d(4, 2, 2)),
    "max pooling": sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(3, 2, 1), nn.Conv2d(4, 2, 2)),
    "average pooling": sequential(nn.AvgPool2d((2, 3)), nn.BatchNorm2d(3), nn.Conv2d(3, 2, 2)),
    "adaptive": sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d((5, 3))),
    "transposed": sequential(nn.Conv2d(3, 4, 3, 2), nn.ConvTranspose2d(4, 2, 3, 2, 1)),
    "branches": Dense,
    "dropout": sequential(nn.Conv2d(3, 4, 3), nn.Dropout(), nn.SiLU(), nn.Conv2d(4, 2, 3, padding="same")),
    "global": sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)),
}


@torch.no_grad()
def changed_by(model: nn.Module, position: tuple[int, int], size: int) -> Box:
    """The box of all pixels whose change changes the unit at a position."""
    inputs = images(size).double()
    places = torch.eye(size * size, dtype=torch.double).view(-1, 1, size, size)
    change = torch.zeros(size * size, dtype=torch.bool)
    for amount in (-30.0, 30.0):
        units = model(torch.cat([inputs, inputs + amount * places]))[:, :, position[0], position[1]]
        change |= (units[1:] != units[:1]).any(1)
    rows, columns = torch.nonzero(change.view(size, size)).unbind(1)
    return Box(int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_field_holds_exactly_the_pixels_that_matter(name: str) -> None:
    torch.manual_seed(0)
    model = NETWORKS[name]().eval().double()
    traced = trace(model, images(13).double(), "")
    height, width = traced.output.shape[2:]
    for position in ((0, 0), (height // 2, width // 2), (height - 1, width - 1)):
        assert receptive_field(traced, position) == changed_by(model, position, 13), position


@pytest.mark.parametrize(("layer", "position"), [("layer1", (5, 9)), ("layer2", (6, 6)), ("layer3", (7, 1))])
def test_a_back_projection_is_zero_outside_the_field_and_fills_it(layer: str, position: tuple[int, int]) -> None:
    traced = trace(resnet18(3, 10), images(224), layer)
    seed = torch.zeros_like(traced.output)
    seed[:, :, position[0], position[1]] = traced.output[:, :, position[0], position[1]]
    box = receptive_field(traced, position)
    for rules in (Rules("deconv"), Rules("vanilla", unpool="switch")):
        rows, columns = torch.nonzero(traced.project(seed, rules).abs().sum((0, 1))).unbind(1)
        reached = Box(int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)
        if rules.relu == "deconv":
            assert reached == box
        assert reached.top >= box.top
        assert reached.left >= box.left
        assert reached.bottom <= box.bottom
        assert reached.right <= box.right


def test_all_units_see_the_whole_image_and_layers_without_maps_see_no_box() -> None:
    model = resnet18(3, 10)
    assert receptive_field(trace(model, images(64), "layer1")) == Box(0, 0, 64, 64)
    assert receptive_field(trace(model, images(64), "avgpool"), (0, 0)) == Box(0, 0, 64, 64)
    with pytest.raises(InputError, match="layer `fc` is not spatial"):
        receptive_field(trace(model, images(64), "fc"), (0, 0))
