from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import nn

from cnnjobs.training.stacks.layers import NotStackableError
from cnnjobs.training.stacks.network import StackedNetwork


def chain() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2, affine=False), nn.ReLU(), nn.Flatten(),
        nn.Linear(32, 4, bias=False), nn.BatchNorm1d(4, track_running_stats=False), nn.ReLU(), nn.Linear(4, 4),
        nn.Linear(4, 4),
    )  # fmt: skip


def shared(network: nn.Sequential) -> None:
    network[8].weight = network[7].weight


def beside(network: nn.Sequential) -> None:
    network.register_parameter("scale", nn.Parameter(torch.ones(1)))


def hooked(network: nn.Sequential) -> None:
    weight: Any = network[7].get_parameter("weight")
    weight.register_hook(lambda gradient: gradient.clamp(-1, 1))


def hooked_before(network: nn.Sequential) -> None:
    network[7].register_full_backward_pre_hook(lambda _, gradients: gradients)


def still(network: nn.Sequential) -> None:
    class Still(nn.BatchNorm2d):
        def train(self, mode: bool = True) -> Any:
            return super().train(mode and False)

    network[1] = Still(2)


def still_as_a_whole(network: nn.Sequential) -> None:
    class Still(nn.Sequential):
        def train(self, mode: bool = True) -> Any:
            super().train(mode)
            self[1].eval()
            return self

    network.__class__ = Still


def patched(network: nn.Sequential) -> None:
    network[7].forward = torch.relu


def twice(network: nn.Sequential) -> None:
    network[8] = network[7]


def test_layers_without_bias_weights_or_statistics_are_stacked() -> None:
    models = [chain().double() for _ in range(3)]
    images = torch.rand(5, 1, 6, 6, dtype=torch.double)
    expected = torch.stack([deepcopy(model)(images) for model in models])
    torch.testing.assert_close(StackedNetwork(models, ())(images), expected)


@pytest.mark.parametrize(
    "change",
    [shared, beside, hooked, hooked_before, still, still_as_a_whole, patched, twice],
    ids=lambda it: it.__name__,
)
def test_a_network_that_is_more_than_its_layers_is_not_stacked(change: Callable[[nn.Sequential], None]) -> None:
    models = [chain(), chain()]
    for model in models:
        change(model)
    with pytest.raises(NotStackableError):
        StackedNetwork(models, ())
