from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnjobs.components.models.mnist_cnn import mnist_cnn
from cnnjobs.errors import InputError


def test_seven_layers_for_a_batch_of_sixteen() -> None:
    model, values = mnist_cnn(1, 10, 28), torch.rand(16, 1, 28, 28)
    found = []
    for layer in model:
        before, values = values, layer(values)
        if not isinstance(layer, nn.ReLU | nn.Flatten):
            count = sum(weight.numel() for weight in layer.parameters())
            found.append((tuple(before.shape), tuple(values.shape), count))
    assert found == [
        ((16, 1, 28, 28), (16, 16, 24, 24), 416),
        ((16, 16, 24, 24), (16, 16, 12, 12), 0),
        ((16, 16, 12, 12), (16, 32, 10, 10), 4_640),
        ((16, 32, 10, 10), (16, 32, 5, 5), 0),
        ((16, 32, 5, 5), (16, 16, 5, 5), 528),
        ((16, 400), (16, 64), 25_664),
        ((16, 64), (16, 10), 650),
    ]
    assert sum(weight.numel() for weight in model.parameters()) == 31_898


def test_small_images_are_named_with_the_smallest_that_work() -> None:
    with pytest.raises(InputError) as raised:
        mnist_cnn(1, 10, 11)
    smallest = "the smallest size that works is 12; enlarge the images with `resize`"
    assert str(raised.value) == f"model mnist_cnn: images of 11×11 pixels are too small; {smallest}"
    assert mnist_cnn(3, 10, 12)(torch.rand(2, 3, 12, 12)).shape == (2, 10)
