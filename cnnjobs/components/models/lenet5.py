"""LeNet-5."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from cnnjobs.errors import InputError
from cnnjobs.registry import register

_SMALLEST_IMAGE = 16


@register("model", "lenet5")
def lenet5(in_channels: int, num_classes: int, image_size: int) -> nn.Module:
    """LeNet-5: two 5x5 convolutions with pooling, three linear layers (LeCun et al. 1998).

    images (N, in_channels, image_size, image_size) -> logits (N, num_classes); 62,006 parameters at 3x32x32.
    ReLU and max pooling in place of tanh and averages, and nothing between the feature maps and the first linear layer.
    """
    if image_size < _SMALLEST_IMAGE:
        found = f"images of {image_size}×{image_size} pixels are too small"
        remedy = f"the smallest size that works is {_SMALLEST_IMAGE}; enlarge the images with `resize`"
        raise InputError(f"model lenet5: {found}; {remedy}")
    side = ((image_size - 4) // 2 - 4) // 2
    layers: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(in_channels, 6, 5),
        "pool1": nn.MaxPool2d(2),
        "relu1": nn.ReLU(),
        "conv2": nn.Conv2d(6, 16, 5),
        "pool2": nn.MaxPool2d(2),
        "relu2": nn.ReLU(),
        "flatten": nn.Flatten(),
        "fc1": nn.Linear(16 * side**2, 120),
        "fc_relu1": nn.ReLU(),
        "fc2": nn.Linear(120, 84),
        "fc_relu2": nn.ReLU(),
        "fc3": nn.Linear(84, num_classes),
    }
    return nn.Sequential(OrderedDict(layers))
