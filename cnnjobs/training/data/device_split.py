"""A split on the device, or read from where its images lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cnnjobs.training.data.streaming import ImageReader, ahead

Batches = Iterator[tuple[Tensor, Tensor]]


@dataclass(frozen=True, eq=False)
class DeviceSplit:
    """A split: pixels (N, H, W, C) uint8, labels (M,) int64; it has the `rows` (M,) of the pixels, or all of them.

    Its labels and images are on the device. Pixels that are too many for memory stay on disk and have a `reader`.
    """

    pixels: Tensor
    labels: Tensor
    rows: Tensor | None = None
    reader: ImageReader | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, place: slice) -> DeviceSplit:
        """Some images that follow one another."""
        if self.rows is None and self.reader is None:
            return DeviceSplit(self.pixels[place], self.labels[place])
        rows = torch.arange(len(self.pixels)) if self.rows is None else self.rows
        return replace(self, labels=self.labels[place], rows=rows[place])

    def images(self, index: Tensor | slice) -> Tensor:
        """Images (n, C, H, W) uint8, channels last in memory."""
        place = index.to(self.pixels.device) if isinstance(index, Tensor) else index
        if self.rows is not None:
            place = self.rows[place]
        # Far faster than indexing on the CPU, which copies pixel by pixel.
        pixels = self.pixels.index_select(0, place) if isinstance(place, Tensor) else self.pixels[place]
        return pixels.to(self.labels.device).permute(0, 3, 1, 2)

    def load(self, indices: Sequence[Tensor | slice]) -> Iterator[Tensor]:
        """The images of each index in turn, read ahead from disk if need be."""
        reader = self.reader
        if reader is None:
            return map(self.images, indices)
        rows = torch.arange(len(self.pixels)) if self.rows is None else self.rows

        def read(index: Tensor | slice) -> Tensor:
            return reader.read(rows[index], self.labels.device)

        return ahead(read, indices)
