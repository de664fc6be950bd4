"""The loop that courses teach, which cnnjobs is measured against.

A data set that makes a PIL image of each item, torchvision's transforms on it, a DataLoader, float32, `.item()` at
every step; the networks with ReLU ahead of the pooling, as they are written there. They compute what cnnjobs' compute.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import models, transforms

from benchmarks import arrays
from benchmarks.side import Gate

_PADDING: Final = 4
# Batches that each worker makes ahead, which is torch's own number.
PREFETCHED: Final = 2


def network(model: str, in_channels: int, num_classes: int, size: int) -> nn.Module:
    """The same network as cnnjobs' `model`, layer for layer."""
    if model == "lenet5":
        side = ((size - 4) // 2 - 4) // 2
        return nn.Sequential(
            *(nn.Conv2d(in_channels, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(16 * side**2, 120), nn.ReLU()),
            *(nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, num_classes)),
        )
    if model == "mnist_cnn":
        side = ((size - 4) // 2 - 2) // 2
        return nn.Sequential(
            *(nn.Conv2d(in_channels, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 16, 1), nn.ReLU(), nn.Flatten()),
            *(nn.Linear(16 * side**2, 64), nn.ReLU(), nn.Linear(64, num_classes)),
        )
    if model == "cnn":
        widths = (in_channels, 32, 64, 128)
        blocks = (
            (nn.Conv2d(inner, outer, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2))
            for inner, outer in itertools.pairwise(widths)
        )
        return nn.Sequential(
            *itertools.chain.from_iterable(blocks),
            *(nn.Flatten(), nn.Linear(128 * (size // 8) ** 2, 64), nn.ReLU(), nn.Linear(64, num_classes)),
        )
    assert model == "resnet18", model
    return models.resnet18(num_classes=num_classes)


class Pictures(Dataset[tuple[Tensor, int]]):
    """A split as torchvision's data sets give it: item by item, through PIL."""

    def __init__(self, folder: str, split: str, transform: Any) -> None:
        self.images, self.labels = arrays.images(folder, split), arrays.labels(folder, split)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels = self.images[index]
        image = Image.fromarray(np.asarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))
        return self.transform(image), int(self.labels[index])


def loader(
    folder: str,
    split: str,
    *,
    batch: int,
    workers: int = 0,
    augmented: bool = True,
    shuffled: bool | None = None,
    pinned: bool = False,
) -> DataLoader[Any]:
    """Crops and flips where it is `augmented`, then numbers that are normalised as cnnjobs normalises them.

    What is shuffled has no smaller last batch; left out, it is what is augmented.
    """
    shuffled = augmented if shuffled is None else shuffled
    data = arrays.arrays("", (), folder=folder)
    random = [transforms.RandomCrop(data.image_size, padding=_PADDING), transforms.RandomHorizontalFlip()]
    fixed = [transforms.ToTensor(), transforms.Normalize(data.mean, data.std)]
    pictures = Pictures(folder, split, transforms.Compose([*(random if augmented else []), *fixed]))
    return DataLoader(
        pictures,
        batch_size=batch,
        shuffle=shuffled,
        drop_last=shuffled,
        num_workers=workers,
        prefetch_factor=PREFETCHED if workers else None,
        pin_memory=pinned,
        persistent_workers=workers > 0,
    )


def train(gate: Gate, *, device: str, **settings: Any) -> None:
    """Loss and accuracy are read back at every step."""
    total = 0.0
    model, optimizer, endless = _ready(gate, device=device, **settings)
    for images, labels in endless:
        gate()
        moved, wanted = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(moved), wanted)
        loss.backward()
        optimizer.step()
        total += loss.item()


def torchvision_style(gate: Gate, *, device: str, **settings: Any) -> None:
    """As in torchvision's reference scripts: the loss and two accuracies are read back at every step."""
    model, optimizer, endless = _ready(gate, device=device, pinned=device == "cuda", **settings)
    criterion = nn.CrossEntropyLoss()
    seen = [0.0, 0.0, 0.0]
    for images, labels in endless:
        gate()
        moved, wanted = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        logits = model(moved)
        loss = criterion(logits, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.inference_mode():
            best = logits.topk(5, 1).indices.eq(wanted[:, None])
            shares = best[:, :1].sum() / len(wanted), best.sum() / len(wanted)
        for place, value in enumerate((loss, *shares)):
            seen[place] += value.item()


def batches(gate: Gate, *, data: str, batch: int, threads: int, **_: Any) -> None:
    """The augmented batches alone."""
    torch.set_num_threads(threads)
    for _batch in _endless(loader(data, "train", batch=batch)):
        gate()


def _ready(
    gate: Gate,
    *,
    data: str,
    model: str,
    threads: int,
    batch: int,
    device: str,
    workers: int = 0,
    pinned: bool = False,
) -> tuple[nn.Module, torch.optim.Optimizer, Iterator[tuple[Tensor, Tensor]]]:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    gate.lead = PREFETCHED * workers
    about = arrays.arrays("", (), folder=data)
    built = network(model, about.in_channels, about.num_classes, about.image_size).to(device).train()
    optimizer = torch.optim.SGD(built.parameters(), lr=0.001, momentum=0.9)
    return built, optimizer, _endless(loader(data, "train", batch=batch, workers=workers, pinned=pinned))


def _endless(source: DataLoader[Any]) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from source
