"""Augmentations built, and augmentations and data sets of the user's own tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from cnnjobs.components.augment import Augmentation
from cnnjobs.components.data.splits import DataSet, Part, Split
from cnnjobs.config.run import Choice
from cnnjobs.training.data.trials import is_foreign, kind, require, trying

_PAGE: Final = "docs/own-parts.md has one that works"
_TRIED: Final = 4


def build_augmentations(choices: Sequence[Choice]) -> list[Augmentation]:
    """The augmentations in their order. Raises InputError for one that lacks what an augmentation has."""
    built = []
    for choice in choices:
        augmentation: Any = choice.build()
        if is_foreign(choice):
            with trying(choice):
                require(isinstance(getattr(augmentation, "random", None), bool), "has no `random`: True or False")
                require(callable(augmentation), "cannot be called with (images, generator)")
                require(callable(getattr(augmentation, "shape", None)), "has no `shape(channels, size)`")
        built.append(augmentation)
    return built


def try_augmentations(
    choices: Sequence[Choice], augmentations: Sequence[Augmentation], image_shape: tuple[int, int, int]
) -> None:
    """Put a small batch of images (C, H, W) through, where one is the user's own. Raises InputError."""
    if not any(map(is_foreign, choices)):
        return
    pixels = torch.arange(_TRIED * image_shape[0] * image_shape[1] * image_shape[2]) % 251
    images = pixels.to(torch.uint8).view(_TRIED, *image_shape)
    for choice, augmentation in zip(choices, augmentations, strict=True):
        with trying(choice):
            told = augmentation.shape(images.shape[1], images.shape[2])
            made = _augmented(augmentation, images)
            if is_foreign(choice):
                _check_images(made, images, (told[0], told[1], told[1]))
                again = _augmented(augmentation, images)
                require(
                    torch.equal(made, again), "draws from elsewhere than the `generator` that it is given: runs differ"
                )
        images = made


def check_data(choice: Choice, data: Any) -> None:
    """Look at what a data set of the user's own has given. Raises InputError."""
    if not is_foreign(choice):
        return
    with trying(choice):
        require(isinstance(data, DataSet), f"gives {kind(data)}, not a cnnjobs.components.data.datasets.DataSet")
        names = [*data.classes]
        distinct = len(set(names)) == len(names) > 0 and all(isinstance(name, str) for name in names)
        require(distinct, f"has the classes {names[:5]}; give each a name of its own, a text")
        shapes = {name: _check_split(name, getattr(data, name), len(names)) for name in ("train", "validation", "test")}
        require(len({*shapes.values()}) == 1, f"has images of different shapes (height, width, channels): {shapes}")
        channels = shapes["train"][-1]
        for name in ("mean", "std"):
            numbers = getattr(data, name)
            told = f"`{name}` has {len(numbers)} numbers, its images {channels} channels"
            require(len(numbers) == channels, told)
        require(all(number > 0 for number in data.std), "has a `std` that is not above 0")


def _check_split(name: str, split: Any, num_classes: int) -> tuple[int, ...]:
    """The shape (height, width, channels) of a split's images."""
    require(isinstance(split, Split), f"`{name}` is {kind(split)}, not a cnnjobs.components.data.datasets.Split")
    images, labels = split.whole if isinstance(split, Part) else split.images, split.labels
    found = f"{getattr(images, 'dtype', type(images).__name__)} {tuple(getattr(images, 'shape', ()))}"
    fits = isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.ndim == 4
    require(fits, f"`{name}` has images {found}; they are a NumPy array (N, H, W, C) of uint8, 0 to 255")
    require(images.shape[1] == images.shape[2], f"`{name}` has images {found}; they have to be square")
    fits = isinstance(labels, np.ndarray) and labels.dtype == np.int64 and labels.ndim == 1
    found = f"{getattr(labels, 'dtype', type(labels).__name__)} {tuple(getattr(labels, 'shape', ()))}"
    require(fits, f"`{name}` has labels {found}; they are a NumPy array (N,) of int64")
    if not isinstance(split, Part):
        require(len(labels) == len(images), f"`{name}` has {len(images)} images and {len(labels)} labels")
    inside = not len(labels) or (labels.min() >= 0 and labels.max() < num_classes)
    require(inside, f"`{name}` has labels outside of 0 to {num_classes - 1}, the places of its classes")
    return tuple(images.shape[1:])


def _augmented(augmentation: Augmentation, images: Tensor) -> Tensor:
    before = images.clone()
    generator = (torch.Generator().manual_seed(0),) if augmentation.random else ()
    made = augmentation(images, *generator)
    require(torch.equal(before, images), "changes the images that it is given; change a copy")
    return made


def _check_images(made: Any, given: Tensor, shape: tuple[int, int, int]) -> None:
    require(isinstance(made, Tensor), f"gives {kind(made)}, not a tensor of images (N, C, H, W)")
    wanted, found = (len(given), *shape), tuple(made.shape)
    require(found == wanted, f"makes images {found} of {tuple(given.shape)}, and its `shape` tells {wanted}")
    fits = made.dtype == given.dtype or made.is_floating_point()
    require(fits, f"makes {made.dtype} of {given.dtype}; keep the type, or give floats in [0, 1]")
