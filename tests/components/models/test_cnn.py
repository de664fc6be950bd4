from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from cnnjobs.components.models.cnn import cnn
from cnnjobs.errors import InputError


def num_parameters(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def test_default_is_table_2() -> None:
    model = cnn(3, 10, 32)
    shapes = {}
    values = torch.rand(1, 3, 32, 32)
    for name, layer in model.named_children():
        values = layer(values)
        shapes[name] = tuple(values.shape[1:])
    assert shapes == {
        "conv1": (32, 32, 32), "pool1": (32, 16, 16), "relu1": (32, 16, 16),
        "conv2": (64, 16, 16), "pool2": (64, 8, 8), "relu2": (64, 8, 8),
        "conv3": (128, 8, 8), "pool3": (128, 4, 4), "relu3": (128, 4, 4),
        "flatten": (2048,), "fc1": (64,), "fc_relu1": (64,), "fc2": (10,),
    }  # fmt: skip
    counts = {name: num_parameters(layer) for name, layer in model.named_children() if num_parameters(layer)}
    assert counts == {"conv1": 2_432, "conv2": 51_264, "conv3": 204_928, "fc1": 131_136, "fc2": 650}
    assert num_parameters(model) == 390_410


def test_eight_convolutions_of_the_published_solution() -> None:
    model = cnn(
        3, 10, 32, filters=(32, 64, 64, 128), kernel_size=(5, 3, 3, 3), convolutions_per_block=2, batch_norm=True,
        activation="leaky_relu", negative_slope=0.2, hidden=(), initialisation="kaiming",
    )  # fmt: skip
    assert num_parameters(model) == 385_066


@pytest.mark.parametrize(
    ("initialisation", "variance"), [("kaiming", 2 / (1 + 0.2**2) / 800), ("xavier", 2 / (800 + 1600))]
)
def test_initialisation_draws_weights_of_the_stated_variance(initialisation: Any, variance: float) -> None:
    torch.manual_seed(0)
    model = cnn(3, 10, 32, filters=(32, 64), activation="leaky_relu", negative_slope=0.2, initialisation=initialisation)
    convolution = model.get_submodule("conv2")
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.bias is not None
    assert convolution.weight.var().item() == pytest.approx(variance, rel=0.02)
    assert not convolution.bias.any()


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"batch_norm": True}, "conv1 norm1 pool1 relu1 flatten fc1 fc_norm1 fc_relu1 fc2"),
        ({"pooling": "average"}, "conv1 relu1 pool1 flatten fc1 fc_relu1 fc2"),
        ({"pooling": "stride"}, "conv1 relu1 flatten fc1 fc_relu1 fc2"),
        ({"activation": "gelu"}, "conv1 gelu1 pool1 flatten fc1 fc_gelu1 fc2"),
        ({"dropout": 0.5}, "conv1 pool1 relu1 flatten dropout1 fc1 fc_relu1 dropout2 fc2"),
        ({"hidden": ()}, "conv1 pool1 relu1 flatten fc1"),
        ({"pre_activation": True}, "conv1 pool1 relu_last flatten fc1 fc_relu1 fc2"),
        (
            {"convolutions_per_block": 2, "pre_activation": True, "batch_norm": True, "hidden": ()},
            "conv1_1 norm1_2 relu1_2 conv1_2 pool1_2 norm_last relu_last flatten fc1",
        ),
        ({"convolutions_per_block": 2}, "conv1_1 relu1_1 conv1_2 pool1_2 relu1_2 flatten fc1 fc_relu1 fc2"),
    ],
    ids=str,
)
def test_options_place_their_layers(options: dict[str, Any], names: str) -> None:
    model = cnn(3, 10, 32, filters=(8,), **options)
    assert [name for name, _ in model.named_children()] == names.split()


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "elu", "tanh"])
def test_pooling_before_the_activation_is_the_same(activation: Any) -> None:
    """Exactly so for piecewise linear activations; others may round the last bit otherwise in another place."""
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    model = cnn(3, 10, 16, filters=(8, 8), kernel_size=3, activation=activation, hidden=())
    layers = dict(model.named_children())
    swapped = nn.Sequential(
        *(layers[name] for part in "12" for name in (f"conv{part}", f"{activation}{part}", f"pool{part}")),
        layers["flatten"],
        layers["fc1"],
    )
    found, expected = model(images), swapped(images)
    found_gradient, expected_gradient = (
        torch.autograd.grad(logits.square().sum(), layers["conv1"].weight)[0] for logits in (found, expected)
    )
    if activation in ("relu", "leaky_relu"):
        assert torch.equal(found, expected)
        assert torch.equal(found_gradient, expected_gradient)
    else:
        assert torch.allclose(found, expected, rtol=1e-5)


def test_kernel_sizes_must_be_as_many_as_blocks() -> None:
    with pytest.raises(InputError) as raised:
        cnn(3, 10, 32, kernel_size=(5, 3))
    found = "kernel_size has 2 entries and filters 3"
    assert str(raised.value) == f"model cnn: {found}; give one kernel_size for all blocks, or one for each"


def test_small_images_are_named_with_the_smallest_that_work() -> None:
    with pytest.raises(InputError) as raised:
        cnn(3, 10, 7)
    smallest = "the smallest size that works is 8; use fewer filters, or enlarge the images with `resize`"
    assert str(raised.value) == f"model cnn: images of 7×7 pixels are too small for 3 blocks; {smallest}"
