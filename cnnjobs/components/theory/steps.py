"""Steps of a training: batches per epoch, and over all epochs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Steps:
    """The optimizer steps over `images` in batches; with `drop_last` an incomplete last batch is left out."""

    images: int
    batch_size: int
    drop_last: bool = False

    @property
    def per_epoch(self) -> int:
        """ceil(images / batch_size), or floor where the last batch is dropped."""
        return self.images // self.batch_size if self.drop_last else -(-self.images // self.batch_size)

    @property
    def last_batch(self) -> int:
        """Number of images in the last batch of an epoch, before it is dropped."""
        return self.images % self.batch_size or self.batch_size
