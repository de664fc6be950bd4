"""A small network for digits."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from cnnjobs.errors import InputError
from cnnjobs.registry import register

_SMALLEST_IMAGE = 12


@register("model", "mnist_cnn")
def mnist_cnn(in_channels: int, num_classes: int, image_size: int) -> nn.Module:
    """Seven layers for MNIST: convolutions of 5x5, 3x3 and 1x1, two poolings, two linear layers.

    images (N, in_channels, image_size, image_size) -> logits (N, num_classes); 31,898 parameters at 1x28x28, of them
    416, 4,640 and 528 in the convolutions, 25,664 and 650 in the linear layers. ReLU follows every layer with weights
    but the last.
    """
    if image_size < _SMALLEST_IMAGE:
        found = f"images of {image_size}×{image_size} pixels are too small"
        remedy = f"the smallest size that works is {_SMALLEST_IMAGE}; enlarge the images with `resize`"
        raise InputError(f"model mnist_cnn: {found}; {remedy}")
    side = ((image_size - 4) // 2 - 2) // 2
    layers: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(in_channels, 16, 5),
        "pool1": nn.MaxPool2d(2),
        "relu1": nn.ReLU(),
        "conv2": nn.Conv2d(16, 32, 3),
        "pool2": nn.MaxPool2d(2),
        "relu2": nn.ReLU(),
        "conv3": nn.Conv2d(32, 16, 1),
        "relu3": nn.ReLU(),
        "flatten": nn.Flatten(),
        "fc1": nn.Linear(16 * side**2, 64),
        "fc_relu1": nn.ReLU(),
        "fc2": nn.Linear(64, num_classes),
    }
    return nn.Sequential(OrderedDict(layers))
