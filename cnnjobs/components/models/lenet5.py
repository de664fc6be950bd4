"""LeNet-5 for colour images."""

from __future__ import annotations

from torch import nn

from cnnjobs.registry import register


@register("model", "lenet5")
def lenet5(in_channels: int, num_classes: int, image_size: int) -> nn.Module:
    """LeNet-5: two 5x5 convolutions with pooling, three linear layers (LeCun et al. 1998, http://yann.lecun.com/exdb/lenet/).

    images (N, in_channels, image_size, image_size) -> logits (N, num_classes); 62,006 parameters at 3x32x32 and 10 classes.
    """
    side = ((image_size - 4) // 2 - 4) // 2
    return nn.Sequential(
        nn.Conv2d(in_channels, 6, 5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(6, 16, 5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * side * side, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, num_classes),
    )
