"""timm's classifiers by their names, for any number of classes and channels."""

from __future__ import annotations

from typing import Any

from torch import nn

from cnnjobs.components.pretrained import timm as timm_catalogue
from cnnjobs.errors import InputError


def timm_model(name: str, in_channels: int, num_classes: int, image_size: int, **options: Any) -> nn.Module:
    """timm's classifier `name` with weights drawn anew; an option that is None is as timm has it.

    images (N, in_channels, image_size, image_size) -> logits (N, num_classes).
    """
    import timm

    arguments = {key: value for key, value in options.items() if value is not None}
    published = timm.get_pretrained_cfg(name)
    if published is not None and published.fixed_input_size:
        arguments["img_size"] = image_size
    try:
        model: nn.Module = timm.create_model(
            name, pretrained=False, in_chans=in_channels, num_classes=num_classes, **arguments
        )
    except (AssertionError, TypeError, ValueError) as error:
        given = ", ".join(f"{key}={value}" for key, value in arguments.items()) or "no option"
        raise InputError(
            f"model {timm_catalogue.PREFIX}{name}: timm cannot build it for images of {image_size}×{image_size} pixels"
            f" with {given}: {type(error).__name__}: {' '.join(str(error).split())}"
        ) from error
    return model
