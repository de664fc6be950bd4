"""Loss and accuracy over a whole split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from cnnjobs.system.stop_request import Stopped
from cnnjobs.training.data.gathering import Gathered

Loss = Callable[[Tensor, Tensor], Tensor]
Watcher = Callable[[Tensor, Tensor], None]


def autocast(device: torch.device, precision: str) -> Any:
    """The context in which the network runs at this precision; weights stay float32."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def evaluate(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    loss: Loss,
    *,
    precision: str = "float32",
    stopped: Callable[[], bool] = lambda: False,
    watcher: Watcher | None = None,
    total: Callable[[Sequence[float]], list[float]] = list,
) -> dict[str, float]:
    """`loss` and `accuracy` as means over all images of batches (images (B, C, H, W), labels (B,)), in eval mode.

    The model is left as it was found. The loss runs in eval mode too, where label smoothing is off as dropout is, so
    that runs with and without it can be compared. `watcher` is given the logits (B, classes) and the labels of each
    batch. `total` adds up what several ranks have each measured on their share. Raises Stopped, and ValueError when
    there are no images.
    """
    tally, broken_off = Tally(loss, watcher), False
    with torch.no_grad(), evaluating(model), evaluating(loss):
        for images, labels in batches:
            if stopped():
                broken_off = True
                break
            with autocast(images.device, precision):
                logits = model(images)
            tally.add(logits, labels)
    *sums, stopping = total([*tally.sums(), broken_off])
    if stopping:
        raise Stopped
    return means(*sums)


class Tally:
    """Sums over the batches of an evaluation; nothing leaves the device before the end."""

    def __init__(self, loss: Loss, watcher: Watcher | None = None) -> None:
        self._loss, self._watcher = loss, watcher
        self._losses, self._correct = Gathered(), Gathered()
        self._count = 0

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Take in the logits (B, classes) and labels (B,) of a batch."""
        # The last batch may be smaller: each counts by its images.
        self._losses.add(self._loss(logits.float(), labels).double() * len(labels))
        if self._watcher is not None:
            self._watcher(logits, labels)
        self._correct.add((logits.argmax(1) == labels).sum())
        self._count += len(labels)

    def means(self) -> dict[str, float]:
        """`loss` and `accuracy` over all images. Raises ValueError when there was none."""
        return means(*self.sums())

    def sums(self) -> tuple[float, int, int]:
        """The losses of all images, how many were told right, and how many there were."""
        if not self._count:
            return 0.0, 0, 0
        return self._losses.values().sum().item(), int(self._correct.values().sum()), self._count


def means(loss_sum: float, correct: float, count: float) -> dict[str, float]:
    """`loss` and `accuracy` from their sums over `count` images. Raises ValueError when there was none."""
    if not count:
        raise ValueError("a split without images has no loss")
    return {"loss": loss_sum / count, "accuracy": correct / count}


@contextmanager
def evaluating(module: Any) -> Iterator[None]:
    """Eval mode, and afterwards each part in the mode that it was in: a frozen layer stays in eval mode."""
    modes = {part: part.training for part in module.modules()} if isinstance(module, nn.Module) else {}
    try:
        if isinstance(module, nn.Module):
            module.eval()
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Eval mode; afterwards modes and random generators are what they were."""
    devices = {parameter.device for parameter in model.parameters() if parameter.device.type == "cuda"}
    with torch.random.fork_rng(devices=list(devices)), evaluating(model):
        yield
