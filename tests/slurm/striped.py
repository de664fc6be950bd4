"""A data set, a model and a loss that do as files in the working directory say: fast, crawl, broken, full, children."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cnnjobs.components.data.datasets import DataSet, Split


def stripes(name: str, folders: Sequence[Path]) -> DataSet:
    """Noisy images of 8x8 pixels: class 0 has horizontal stripes, class 1 vertical ones."""
    if Path("full").exists():
        np.ones(1 << 33, dtype=np.uint8)
    if Path("children").exists():
        for _ in range(2):
            multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,), daemon=True).start()
    draws = np.random.default_rng(7)

    def split(count: int) -> Split:
        labels = np.arange(count, dtype=np.int64) % 2
        waves = 60 * (np.arange(8) % 2)
        patterns = np.stack([np.tile(waves[:, None], 8), np.tile(waves, (8, 1))])
        images = patterns[labels][..., None] + draws.integers(0, 120, (count, 8, 8, 1))
        return Split(images.astype(np.uint8), labels)

    return DataSet("stripes", split(48), split(20), split(20), ("rows", "columns"), (0.35,), (0.16,))


class Slow(nn.Sequential):
    """Goes through once the file `fast` is there, hardly moves while `crawl` is, and fails while `broken` is."""

    def __init__(self, in_channels: int, num_classes: int, image_size: int) -> None:
        features = 4 * (image_size - 2) ** 2
        super().__init__(
            nn.Conv2d(in_channels, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(),
            nn.Linear(features, num_classes),
        )  # fmt: skip

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, num_classes)."""
        if Path("broken").exists():
            raise ValueError("no such layer")
        _wait()
        for layer in self:
            images = layer(images)
        return images


class SlowLoss(nn.CrossEntropyLoss):
    """As slow as that model, for networks that are to be stacked: those are plain chains of layers."""

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """(N, num_classes), (N,) -> ()."""
        _wait()
        return super().forward(logits, labels)


def _wait() -> None:
    if not Path("fast").exists():
        time.sleep(1 if Path("crawl").exists() else 0.1)
