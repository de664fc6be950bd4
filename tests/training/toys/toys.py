"""Data sets that can be learned, and components that import paths name."""

import os
import time

import numpy as np
import torch
from torch import nn

from cnnjobs.components.data.datasets import DataSet, Split


def stripes(name, folders, *, train: int = 96, validation: int = 40, test: int = 30, channels: int = 1, size: int = 8):
    """Noisy gray images: class 0 has horizontal stripes, class 1 vertical ones, class 2 none."""
    draws = np.random.default_rng(7)

    def split(count):
        labels = np.arange(count, dtype=np.int64) % 3
        waves = 60 * (np.arange(size) % 2)
        patterns = np.stack([np.tile(waves[:, None], size), np.tile(waves, (size, 1)), np.full((size, size), 30)])
        images = patterns[labels][..., None] + draws.integers(0, 120, (count, size, size, channels))
        return Split(images.astype(np.uint8), labels)

    mean, std = (0.35,) * channels, (0.16,) * channels
    return DataSet(name, split(train), split(validation), split(test), ("rows", "columns", "plain"), mean, std)


def renamed(name, folders, *, classes: str = "columns rows plain", size: int = 8, channels: int = 1):
    """The images of `stripes` whose classes stand in another order, the missing ones left out."""
    data = stripes("stripes", folders, size=size, channels=channels)
    names = tuple(classes.split())
    numbers = np.array([names.index(each) if each in names else -1 for each in data.classes])

    def again(split):
        labels = numbers[split.labels]
        return Split(split.images[labels >= 0], labels[labels >= 0])

    splits = (again(split) for split in (data.train, data.validation, data.test))
    return DataSet(name, *splits, names, data.mean, data.std)


class Small(nn.Sequential):
    """A network with batch norm and dropout."""

    def __init__(self, in_channels, num_classes, image_size, *, width: int = 6, dropout: float = 0.2):
        super().__init__(
            nn.Conv2d(in_channels, width, 3),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(width * ((image_size - 2) // 2) ** 2, num_classes),
        )


class Plain(Small):
    """The same without batch norm."""

    def __init__(self, in_channels, num_classes, image_size, *, dropout: float = 0.2):
        super().__init__(in_channels, num_classes, image_size, dropout=dropout)
        self[1] = nn.Identity()


class Slow(Small):
    """The same, but a step takes long enough to be killed in."""

    def forward(self, images):
        time.sleep(0.004)
        return super().forward(images)


class Breaking(Small):
    """Fails at the eleventh step."""

    steps = 0

    def forward(self, images):
        if self.training:
            self.steps += 1
            if self.steps > 10:
                raise ValueError("the eleventh step\nis too much")
        return super().forward(images)


class BreakingElsewhere(Breaking):
    """Fails at the eleventh step in every rank but the first."""

    def forward(self, images):
        return (super() if os.environ.get("CNNJOBS_RANK") == "1" else super(Breaking, self)).forward(images)


class Exploding(Small):
    """Gives NaN from the ninth step on."""

    steps = 0

    def forward(self, images):
        self.steps += self.training
        return super().forward(images) * (float("nan") if self.steps >= 9 else 1.0)


class Wrong(nn.Module):
    """Forgets the classes."""

    def __init__(self, in_channels, num_classes, image_size):  # noqa: ARG002
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images):
        return images.mean((1, 2, 3)) * self.weight


def endless(name, folders):
    while True:
        time.sleep(0.01)


def missing(name, folders):
    from cnnjobs.errors import DataError

    raise DataError("data set `missing`: not found; cnnjobs data fetch missing")
