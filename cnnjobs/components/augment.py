"""Augmentations: batched operations on images (N, C, H, W), uint8 or float in [0, 1], each image with its own draw.

Draws are made where the generator lives, so that a CPU generator gives the same ones for images on any device. Nothing
changes its input; type, range and memory layout are kept (but `normalise` always gives floats). Those that are not
`random` are part of the network's input and run in evaluation too. `shape` tells channels and size of what comes out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal, Protocol

from cnnjobs.components.files.fitting import Fitting
from cnnjobs.components.geometry import crop, fit, flip, like, rotate
from cnnjobs.errors import InputError
from cnnjobs.registry import Fraction, Later, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, register

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_GRAY_WEIGHTS: Final = (0.299, 0.587, 0.114)  # ITU-R BT.601
_ERASE_TRIES: Final = 10


class Augmentation(Protocol):
    """Augmentation as the builders here return it; `generator` is drawn from by random ones alone."""

    random: bool

    def shape(self, channels: int, size: int) -> tuple[int, int]:
        """Channels and size of the images that come out. Raises InputError for images that it cannot work on."""

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """images (N, C, H, W) -> images."""


def output_shape(augmentations: Sequence[Augmentation], image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """The shape (C, H, W) of what comes out for square images (C, H, W). Raises InputError when one does not fit."""
    channels, size, _ = image_shape
    for augmentation in augmentations:
        channels, size = augmentation.shape(channels, size)
    return channels, size, size


class _SameShape:
    def shape(self, channels: int, size: int) -> tuple[int, int]:
        """Shape of the output: that of the input."""
        return channels, size


@register("augmentation", "crop")
class Crop(_SameShape):
    """Pad, then cut a window of the old size out at a random place (He et al. 2016, section 4.2)."""

    random = True

    def __init__(self, *, padding: NonNegativeInt = 4, mode: Literal["zero", "reflect"] = "zero") -> None:
        self.padding, self.mode = padding, mode

    def shape(self, channels: int, size: int) -> tuple[int, int]:
        """As it comes in; reflection needs images that are larger than the padding."""
        if self.mode == "reflect" and self.padding >= size:
            found = f"padding {self.padding} cannot be reflected from images of {size}×{size} pixels"
            raise InputError(f"augmentation crop: {found}; allowed: less than {size}")
        return channels, size

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """images (N, C, H, W) -> windows (N, C, H, W)."""
        import torch

        count, device = 2 * self.padding + 1, _device(generator)
        offsets = torch.randint(count, (2, len(images)), generator=generator, device=device)
        return crop(images, offsets.to(images.device), self.padding, self.mode)


@register("augmentation", "flip")
class Flip(_SameShape):
    """Mirror left and right."""

    random = True

    def __init__(self, *, probability: Fraction = 0.5) -> None:
        self.probability = probability

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """images (N, C, H, W) -> images, some of them mirrored."""
        import torch

        draws = torch.rand(len(images), generator=generator, device=_device(generator))
        chosen = (draws < self.probability).nonzero()[:, 0].to(images.device)
        return flip(images, chosen)


@register("augmentation", "rotation")
class Rotation(_SameShape):
    """Turn about the centre by up to `degrees` either way; bilinear, zero where nothing is."""

    random = True

    def __init__(self, *, degrees: NonNegativeFloat = 15.0) -> None:
        self.degrees = degrees

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """images (N, C, H, W) -> images, each turned by an angle of its own."""
        import torch

        draws = torch.rand(len(images), generator=generator, device=_device(generator))
        return rotate(images, (2 * draws - 1).mul_(self.degrees).to(images.device))


@register("augmentation", "erase")
class Erase(_SameShape):
    """Set a random rectangle to zero (Zhong et al. 2017, https://arxiv.org/abs/1708.04896).

    It covers a share of the image drawn from `scale`, its height to its width is drawn from `ratio`. The place after
    `normalise` makes zero the mean.
    """

    random = True

    def __init__(
        self,
        *,
        probability: Fraction = 0.5,
        scale: tuple[Fraction, Fraction] = (0.02, 0.4),
        ratio: tuple[PositiveFloat, PositiveFloat] = (0.3, 3.3333),
    ) -> None:
        for key, (smallest, largest) in (("scale", scale), ("ratio", ratio)):
            if smallest > largest:
                found = f"{key} [{smallest}, {largest}] has its larger number first"
                raise InputError(f"augmentation erase: {found}; give [smallest, largest]")
        self.probability, self.scale, self.ratio = probability, scale, ratio

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """images (N, C, H, W) -> images, some of them with a rectangle of zeros."""
        import torch

        height, width = images.shape[2:]
        top, left, tall, wide = self.rectangles(len(images), height, width, generator).to(images.device)[..., None]
        rows, columns = (torch.arange(side, device=images.device) for side in (height, width))
        inside_rows = (rows >= top) & (rows < top + tall)  # (N, H)
        inside_columns = (columns >= left) & (columns < left + wide)  # (N, W)
        return images.clone().masked_fill_((inside_rows[:, :, None] & inside_columns[:, None, :])[:, None], 0)

    def rectangles(self, count: int, height: int, width: int, generator: torch.Generator | None) -> Tensor:
        """Top, left, height and width (4, N) of what to erase in images of this size; height 0 where nothing is."""
        import torch

        draws = torch.rand(2 * _ERASE_TRIES + 3, count, generator=generator, device=_device(generator))
        areas = height * width * _between(*self.scale, draws[:_ERASE_TRIES])
        ratios = _between(math.log(self.ratio[0]), math.log(self.ratio[1]), draws[_ERASE_TRIES:-3]).exp()
        tall, wide = (areas * ratios).sqrt().round().clamp_(min=1), (areas / ratios).sqrt().round().clamp_(min=1)
        fits = (tall <= height) & (wide <= width)  # (tries, N); as in the paper, the first that fits is taken
        first = fits.logical_not().int().cumprod(0).sum(0, keepdim=True).clamp_(max=_ERASE_TRIES - 1)
        tall, wide = tall.gather(0, first)[0], wide.gather(0, first)[0]
        erased = fits.any(0) & (draws[-1] < self.probability)
        # A draw just below 1 may round up to the next pixel.
        top = (draws[-3] * (height - tall + 1)).floor().minimum(height - tall)
        left = (draws[-2] * (width - wide + 1)).floor().minimum(width - wide)
        return torch.stack([top, left, tall * erased, wide]).long()


def _between(low: float, high: float, draws: Tensor) -> Tensor:
    return draws * (high - low) + low


class _Fits:
    """Images of any size brought to one; those of a folder that have sizes of their own already as they are decoded."""

    random = False
    fitting: Fitting

    def shape(self, channels: int, size: int) -> tuple[int, int]:
        """The new size."""
        del size
        return channels, self.fitting.size

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """images (N, C, H, W) -> images (N, C, size, size)."""
        del generator
        size = self.fitting.size
        if images.shape[2:] == (size, size) and self.fitting.form != "crop":
            return images
        return like(fit(images if images.is_floating_point() else images.float(), self.fitting), images)


@register("augmentation", "resize")
class Resize(_Fits):
    """Scale to `size` by `size` pixels, or the shorter side to `shorter`, and cut the middle `crop` by `crop` out.

    Bilinear, with antialiasing when shrinking.
    """

    def __init__(self, *, size: PositiveInt | None = None, shorter: Later = None, crop: Later = None) -> None:
        given = {"size": size, "shorter": shorter, "crop": crop}
        told = {key: value for key, value in given.items() if value is not None}
        if size is not None and len(told) == 1:
            self.fitting = Fitting("stretch", size)
        elif size is None and shorter is not None and (crop or shorter) <= shorter:
            self.fitting = Fitting("crop", crop or shorter, shorter)
        else:
            found = ", ".join(f"{key} {value}" for key, value in told.items()) or "no size"
            raise InputError(
                f"augmentation resize: found {found}; give `size` alone, or `shorter`, with a `crop` of at most that"
            )


@register("augmentation", "letterbox")
class Letterbox(_Fits):
    """Scale the longer side to `size` and fill up to `size` by `size` pixels with black; bilinear, proportions stay."""

    def __init__(self, *, size: PositiveInt) -> None:
        self.fitting = Fitting("letterbox", size)


@register("augmentation", "grayscale")
class Grayscale:
    """Colour to one channel by the weights of ITU-R BT.601; gray images stay as they are."""

    random = False

    def shape(self, channels: int, size: int) -> tuple[int, int]:
        """One channel."""
        if channels not in (1, 3):
            raise InputError(f"augmentation grayscale: found images of {channels} channels; allowed: 1 or 3")
        return 1, size

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """images (N, C, H, W) -> images (N, 1, H, W)."""
        del generator
        if images.shape[1] == 1:
            return images
        red, green, blue = _GRAY_WEIGHTS
        gray = images[:, 0:1] * red + images[:, 1:2] * green + images[:, 2:3] * blue
        return like(gray, images)


@register("augmentation", "normalise")
class Normalise:
    """Subtract `mean`, then divide by `std`: one number for all channels or one for each, of pixel values in [0, 1].

    A run fills in what is left out: the numbers that its `weights` were trained with, or those of its data set.
    """

    random = False

    def __init__(self, *, mean: tuple[float, ...] | None = None, std: tuple[PositiveFloat, ...] | None = None) -> None:
        if not mean or not std or len(mean) != len(std):
            found = f"mean has {len(mean or ())} numbers and std {len(std or ())}"
            raise InputError(
                f"augmentation normalise: {found}; give one of each for all channels, or one for each channel"
            )
        self.mean, self.std = tuple(mean), tuple(std)
        self._prepared: dict[tuple[torch.device, bool, int], tuple[Tensor, Tensor]] = {}

    def shape(self, channels: int, size: int) -> tuple[int, int]:
        """As it comes in."""
        if len(self.mean) not in (1, channels):
            needed = "1 channel need 1" if channels == 1 else f"{channels} channels need 1 or {channels}"
            raise InputError(f"augmentation normalise: mean and std have {len(self.mean)} numbers, images of {needed}")
        return channels, size

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """images (N, C, H, W), uint8 or in [0, 1] -> float images with mean 0 and standard deviation 1."""
        import torch

        del generator
        # With channels last, numbers repeated along a row let the CPU work on the whole row at once (5 times faster).
        width = images.shape[3] if images.is_contiguous(memory_format=torch.channels_last) else 1
        key = (images.device, images.is_floating_point(), width)
        if key not in self._prepared:
            mean, std = torch.tensor(self.mean), torch.tensor(self.std)
            unit = 1 if images.is_floating_point() else 255
            rows = (values.expand(1, 1, width, -1).contiguous() for values in (1 / (unit * std), -mean / std))
            factor, summand = (row.permute(0, 3, 1, 2).to(images.device) for row in rows)  # (1, C, 1, width)
            self._prepared[key] = factor, summand
        factor, summand = self._prepared[key]
        pixels = images * factor if images.is_floating_point() else images.float().mul_(factor)
        return pixels.add_(summand)


def _device(generator: torch.Generator | None) -> torch.device | None:
    return generator.device if generator else None
