"""The loss around the weights of a network, on a plane through them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from cnnjobs.training.networks.evaluate import undisturbed

Batch = tuple[Tensor, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Landscape:
    """`loss` and `accuracy` (m, m) where the weights are moved by steps[row] along one direction, steps[column] along
    the other; the middle is the network itself."""

    steps: NDArray[np.float64]
    loss: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def middle(self) -> tuple[float, float]:
        """Loss and accuracy of the network itself."""
        centre = len(self.steps) // 2
        return float(self.loss[centre, centre]), float(self.accuracy[centre, centre])


def direction(model: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    """A random direction in which every filter is as long as the network's own (Li et al. 2018, 1712.09913).

    Biases and batch norms have none: they stay as they are.
    """
    found = {}
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            continue
        weights = parameter.detach()
        draws = torch.randn(weights.shape, generator=generator).to(weights)
        lengths, drawn = (each.flatten(1).norm(dim=1) for each in (weights, draws))
        found[name] = draws * (lengths / drawn).view(-1, *[1] * (weights.ndim - 1))
    return found


def landscape(
    model: nn.Module,
    batches: Sequence[Batch],
    loss: Loss,
    steps: Sequence[float],
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Landscape:
    """Mean loss over batches of images (B, C, H, W) and labels (B,), in eval mode, at each pair of `steps`.

    The weights of the model itself are never moved.
    """
    generator = torch.Generator().manual_seed(seed)
    first, second = direction(model, generator), direction(model, generator)
    weights = {name: parameter.detach() for name, parameter in model.named_parameters() if name in first}
    found = np.empty((2, len(steps), len(steps)))
    with undisturbed(model), torch.no_grad():
        for row, down in enumerate(steps):
            for column, across in enumerate(steps):
                moved = {name: value + down * first[name] + across * second[name] for name, value in weights.items()}
                found[:, row, column] = _measure(model, moved, batches, loss)
                if progress is not None:
                    progress(row * len(steps) + column + 1, len(steps) ** 2)
    return Landscape(np.asarray(steps, dtype=np.float64), *found)


def _measure(model: nn.Module, moved: dict[str, Tensor], batches: Sequence[Batch], loss: Loss) -> tuple[float, float]:
    total, right, count = 0.0, 0, 0
    for images, labels in batches:
        logits = functional_call(model, moved, (images,)).float()
        total += float(loss(logits, labels)) * len(labels)
        right += int((logits.argmax(1) == labels).sum())
        count += len(labels)
    return total / count, right / count
