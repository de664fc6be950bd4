from __future__ import annotations

import pytest
import torch

from cnnjobs.components.models.lenet5 import lenet5
from cnnjobs.errors import InputError


def test_layers_have_the_published_shapes_and_counts() -> None:
    model = lenet5(3, 10, 32)
    shapes, counts = {}, {}
    values = torch.rand(1, 3, 32, 32)
    for name, layer in model.named_children():
        values = layer(values)
        shapes[name] = tuple(values.shape[1:])
        counts[name] = sum(weight.numel() for weight in layer.parameters())
    assert {name: shapes[name] for name in ("conv1", "pool1", "conv2", "pool2", "flatten", "fc1", "fc2", "fc3")} == {
        "conv1": (6, 28, 28), "pool1": (6, 14, 14), "conv2": (16, 10, 10), "pool2": (16, 5, 5),
        "flatten": (400,), "fc1": (120,), "fc2": (84,), "fc3": (10,),
    }  # fmt: skip
    assert {name: count for name, count in counts.items() if count} == {
        "conv1": 456, "conv2": 2_416, "fc1": 48_120, "fc2": 10_164, "fc3": 850,
    }  # fmt: skip
    assert sum(counts.values()) == 62_006


def test_small_images_are_named_with_the_smallest_that_work() -> None:
    with pytest.raises(InputError) as raised:
        lenet5(1, 10, 15)
    smallest = "the smallest size that works is 16; enlarge the images with `resize`"
    assert str(raised.value) == f"model lenet5: images of 15×15 pixels are too small; {smallest}"
    assert lenet5(1, 10, 16)(torch.rand(2, 1, 16, 16)).shape == (2, 10)
