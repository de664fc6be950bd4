"""torchvision's transforms as augmentations: each image has its own draw, from the run's generator."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

from cnnjobs.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_DRAWN: Final = ("Rand", "Jitter", "Aug", "Trivial", "Elastic", "Gaussian")
_SEEDS: Final = 2**31


class Transform:
    """A transform of torchvision's by its import path, drawn anew for each image where it is random."""

    def __init__(self, path: str, transform: Any) -> None:
        self.path, self._transform = path, transform
        name = path.partition(":")[2]
        self.random = any(word in name for word in _DRAWN)

    def shape(self, channels: int, size: int) -> tuple[int, int]:
        """Channels and size of the images that come out. Raises InputError for images that it cannot work on."""
        import torch

        images = torch.zeros(2, channels, size, size, dtype=torch.uint8)
        found = self(images, torch.Generator().manual_seed(0))
        if found.ndim != 4 or found.shape[2] != found.shape[3]:
            raise InputError(
                f"augmentation {self.path}: makes images of {tuple(found.shape[1:])} of {tuple(images.shape[1:])}"
                " (channels, height, width); square ones are needed"
            )
        return found.shape[1], found.shape[2]

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """images (N, C, H, W) -> images, in the type and memory layout of those."""
        import torch

        try:
            drawn = self._one_by_one(images, generator) if self.random else []
            made: Tensor = torch.stack(drawn) if self.random else self._transform(images)
        except (TypeError, ValueError, RuntimeError, AssertionError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            said = " ".join(str(error).split())
            shape = tuple(images.shape[1:])
            raise InputError(f"augmentation {self.path}: fails on images {shape}: {said}") from error
        return made.contiguous(memory_format=torch.channels_last) if _is_channels_last(images) else made

    def _one_by_one(self, images: Tensor, generator: torch.Generator | None) -> list[Tensor]:
        """Each image on its own: torchvision draws from the global generators, which are as before afterwards."""
        import torch

        place = generator.device if generator is not None else None
        seed = int(torch.randint(_SEEDS, (), generator=generator, device=place))
        before = random.getstate()
        try:
            # Transforms of images on a GPU may draw there.
            devices = [images.device] if images.is_cuda else []
            with torch.random.fork_rng(devices=devices):
                torch.manual_seed(seed)
                random.seed(seed)
                return [self._transform(image) for image in images]
        finally:
            random.setstate(before)


def _is_channels_last(images: Tensor) -> bool:
    import torch

    return images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()
