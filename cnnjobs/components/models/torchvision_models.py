"""torchvision's classifiers by their names, for any number of classes and gray images too."""

from __future__ import annotations

from typing import Any, Final

import torchvision
from torch import nn

from cnnjobs.components.models.first_convolution import with_channels
from cnnjobs.components.pretrained import torchvision as torchvision_catalogue
from cnnjobs.errors import InputError

# What torchvision asks for is more than these need.
_SMALLEST_IMAGE: Final = {"swin": 4, "efficientnet": 1}
_MAXVIT_IMAGE: Final = 224
_WITHOUT_AUXILIARY: Final = ("googlenet", "inception_v3")


def torchvision_model(name: str, in_channels: int, num_classes: int, image_size: int, **options: Any) -> nn.Module:
    """torchvision's classifier `name` with weights drawn anew; an option that is None is as torchvision has it.

    images (N, in_channels, image_size, image_size) -> logits (N, num_classes). For gray images the first convolution
    has its weights summed over RGB. Auxiliary classifiers are left out.
    """
    arguments = {key: value for key, value in options.items() if value is not None}
    if name in _WITHOUT_AUXILIARY:
        arguments |= {"aux_logits": False, "init_weights": True}
    arguments |= _checked_size(name, image_size)
    model = torchvision.models.get_model(name, weights=None, num_classes=num_classes, **arguments)
    return with_channels(model, in_channels)


def _checked_size(name: str, image_size: int) -> dict[str, Any]:
    """Size arguments of the builder. Raises InputError for a size that does not fit."""
    family = name.partition("_")[0]
    if family == "vit":
        _check_multiple(name, image_size, int(name.rpartition("_")[2]))
        return {"image_size": image_size}
    if family == "maxvit":
        _check_multiple(name, image_size, _MAXVIT_IMAGE)
        return {"input_size": (image_size, image_size)}
    smallest = _SMALLEST_IMAGE.get(family, torchvision_catalogue.architecture(name).smallest_image)
    if image_size < smallest:
        found = f"images of {image_size}×{image_size} pixels are too small"
        remedy = f"the smallest size that works is {smallest}; enlarge the images with `resize`"
        raise InputError(f"model {torchvision_catalogue.PREFIX}{name}: {found}; {remedy}")
    return {}


def _check_multiple(name: str, image_size: int, unit: int) -> None:
    if image_size % unit:
        nearest = -(-image_size // unit) * unit
        found = f"images of {image_size}×{image_size} pixels cannot be cut into patches"
        remedy = f"allowed: multiples of {unit}; add {{name: resize, size: {nearest}}} to augment"
        raise InputError(f"model {torchvision_catalogue.PREFIX}{name}: {found}; {remedy}")
