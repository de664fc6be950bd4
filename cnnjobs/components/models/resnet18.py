"""ResNet18."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from cnnjobs.errors import InputError
from cnnjobs.registry import register


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            projection = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(out_channels))

    def forward(self, images: Tensor) -> Tensor:
        """Feature maps in, feature maps out."""
        left = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(images)))))
        shortcut = images if self.downsample is None else self.downsample(images)
        return F.relu(left + shortcut)


@register("model", "resnet18")
def resnet18(
    in_channels: int,
    num_classes: int,
    *,
    stem: Literal["imagenet", "cifar"] = "imagenet",
    pool_position: Literal["before", "after"] = "before",
) -> nn.Module:
    """ResNet18 from scratch, for images of any size (He et al. 2016, https://arxiv.org/abs/1512.03385, Table 1).

    images (N, in_channels, H, W) -> logits (N, num_classes); 11,181,642 parameters for RGB and 10 classes. 17
    convolutions on the main path, three 1x1 projections beside it and one linear layer, named as in torchvision, whose
    weights fit. `stem: imagenet` is a 7x7 convolution of stride 2 with max pooling, `cifar` a 3x3 one without either,
    for images of about 32 pixels. `pool_position` is that of the pooling: `before` layer1, as in the paper (1.8136 G
    multiply-accumulates at 224 pixels), or `after` it, which costs 3.2008 G. Weights start as in He et al. 2015.
    """
    if stem == "cifar" and pool_position == "after":
        raise InputError(
            "model resnet18: `stem: cifar` has no pooling that could stand after layer1; drop one of the two"
        )
    first = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
    if stem == "cifar":
        first = nn.Conv2d(in_channels, 64, 3, padding=1, bias=False)
    pooling: dict[str, nn.Module] = {"maxpool": nn.MaxPool2d(3, stride=2, padding=1)} if stem == "imagenet" else {}
    layers: dict[str, nn.Module] = {
        "conv1": first,
        "bn1": nn.BatchNorm2d(64),
        "relu": nn.ReLU(inplace=True),
        **(pooling if pool_position == "before" else {}),
        "layer1": _stage(64, 64, stride=1),
        **(pooling if pool_position == "after" else {}),
        "layer2": _stage(64, 128, stride=2),
        "layer3": _stage(128, 256, stride=2),
        "layer4": _stage(256, 512, stride=2),
        "avgpool": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
        "fc": nn.Linear(512, num_classes),
    }
    model = nn.Sequential(OrderedDict(layers))
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model


def _stage(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    return nn.Sequential(ResidualBlock(in_channels, out_channels, stride), ResidualBlock(out_channels, out_channels, 1))
