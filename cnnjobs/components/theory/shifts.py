"""Response of the layers of a network to a shift of the image by one pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cnnjobs import registry

if TYPE_CHECKING:
    from torch import Tensor

_SIZES: Final = (2, 4, 8)


@dataclass(frozen=True)
class ShiftChange:
    """Change behind a layer by a shift: |f(shifted) - f(image)| / |f(image)|, a mean over `num_seeds` networks."""

    layer: str
    mean: float
    sd: float


def shift_changes(num_seeds: int = 5) -> list[ShiftChange]:
    """The first layers of `mnist_cnn`, untrained, on the bundled test images rolled by one column.

    Behind the ReLU either kind of pooling is tried with several windows. Needs no data set but the bundled one.
    """
    import torch

    name = "fashion_mnist_mini"
    data = registry.find("dataset", name).build(given={"name": name, "folders": ()}, options={})
    images = torch.from_numpy(data.test.images.copy()).permute(0, 3, 1, 2) / 255  # (N, 1, 28, 28)
    images = (images - data.mean[0]) / data.std[0]
    changes: dict[str, list[float]] = {}
    for seed in range(num_seeds):
        for layer, output in _layers(seed).items():
            before, after = output(images), output(images.roll(1, dims=3))
            changes.setdefault(layer, []).append(float((after - before).norm() / before.norm()))
    spread = {layer: torch.tensor(found) for layer, found in changes.items()}
    return [ShiftChange(layer, float(each.mean()), float(each.std())) for layer, each in spread.items()]


def _layers(seed: int) -> dict[str, Callable[[Tensor], Tensor]]:
    """images (N, 1, 28, 28) -> feature maps, by the name of the last layer."""
    import torch
    from torch.nn import functional as F

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        given = {"in_channels": 1, "num_classes": 10, "image_size": 28}
        convolution = registry.find("model", "mnist_cnn").build(given=given, options={}).conv1.requires_grad_(False)

    def rectified(images: Tensor) -> Tensor:
        return F.relu(convolution(images))

    return {
        "image": lambda images: images,
        "convolution": convolution,
        "ReLU": rectified,
        **{f"max pooling {k}×{k}": lambda images, k=k: F.max_pool2d(rectified(images), k) for k in _SIZES},
        **{f"average pooling {k}×{k}": lambda images, k=k: F.avg_pool2d(rectified(images), k) for k in _SIZES},
    }
