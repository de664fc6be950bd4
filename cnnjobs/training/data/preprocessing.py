"""Preprocessing of every image: the augmentations that are not random, and the normalisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from torch import Tensor

from cnnjobs.components.augment import output_shape
from cnnjobs.components.files.fitting import Fitting
from cnnjobs.config.fitting import fitting_of, fitting_place
from cnnjobs.config.run import Choice, read_choice
from cnnjobs.training.data.augmentations import build_augmentations

if TYPE_CHECKING:
    from cnnjobs.training.data.device_split import Batches, DeviceSplit

_EVALUATION_BATCH: Final = 256
_EVALUATION_PIXELS: Final = 1 << 21


class Preprocessing:
    """The steps from images (N, C, H, W) uint8 of `image_shape` (C, H, W) to those of `input_shape` for the network.

    `steps` are plain values, `{name: resize, size: 64}`, complete: the same steps again give the same images, bit for
    bit. Where images `are_fitted`, the step that brings them to one size was done as they were decoded: it is among the
    steps, for image files of any size, and not done again. Raises InputError for steps that do not fit.
    """

    def __init__(
        self, choices: Sequence[Choice], image_shape: tuple[int, int, int], *, are_fitted: bool = False
    ) -> None:
        built = zip(choices, build_augmentations(choices), strict=True)
        fixed = [(choice, augmentation) for choice, augmentation in built if not augmentation.random]
        self.steps: tuple[dict[str, Any], ...] = tuple(choice.model_dump(mode="json") for choice, _ in fixed)
        self.image_shape, self.are_fitted = image_shape, are_fitted
        place = fitting_place([choice for choice, _ in fixed]) if are_fitted else None
        self._augmentations = tuple(each for index, (_, each) in enumerate(fixed) if index != place)
        self.input_shape = output_shape(self._augmentations, image_shape)

    @classmethod
    def from_steps(
        cls, steps: Sequence[Mapping[str, Any]], image_shape: tuple[int, int, int], *, are_fitted: bool = False
    ) -> Preprocessing:
        """The preprocessing that has these `steps`. Raises InputError when this version does not know them."""
        return cls([read_choice("augmentation", step) for step in steps], image_shape, are_fitted=are_fitted)

    @property
    def fitting(self) -> Fitting | None:
        """The step that was done to the images as they were decoded."""
        steps = [read_choice("augmentation", step) for step in self.steps] if self.are_fitted else []
        return fitting_of(steps)

    def __call__(self, images: Tensor) -> Tensor:
        """images (N, C, H, W) uint8 -> images (N, C, H, W) as the network sees them in evaluation."""
        for augmentation in self._augmentations:
            images = augmentation(images)
        return images

    def batches(self, split: DeviceSplit, batch_size: int) -> Batches:
        """The whole split in its order: images (B, C, H, W) and labels (B,), at least `batch_size` at a time."""
        size = self.at_a_time(batch_size)
        places = [slice(start, start + size) for start in range(0, len(split), size)]
        for place, images in zip(places, split.load(places), strict=True):
            yield self(images), split.labels[place]

    def at_a_time(self, batch_size: int) -> int:
        """Number of images of a split that are evaluated at a time."""
        side_pixels = max(height * width for _, height, width in (self.image_shape, self.input_shape))
        return max(batch_size, min(_EVALUATION_BATCH, _EVALUATION_PIXELS // side_pixels))
