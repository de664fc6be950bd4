"""Lines that a run prints every so many steps: loss, accuracy and learning rate, for the job's log."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# The mean loss () of a step, its predictions (n,) and its labels (n,).
Seen = tuple[Tensor, Tensor, Tensor]


class PrintOuts:
    """Lines for the log after each `every` steps, none without it; the device is read only then.

    Loss and accuracy are means, as trained, over the images since the line before, or since the run went on.
    """

    def __init__(self, every: int | None, steps: int, say: Callable[[str], None]) -> None:
        self._every, self._steps, self._say = every, steps, say
        self._seen: list[Seen] = []

    def add(self, seen: Seen, step: int, lr: float, total: Callable[[Sequence[float]], list[float]] = list) -> None:
        """Step number `step`, counted from 1; `total` adds up what several ranks have seen."""
        if self._every is None:
            return
        self._seen.append(seen)
        if step % self._every:
            return
        losses, predictions, labels = zip(*self._seen, strict=True)
        self._seen.clear()
        sizes = [len(each) for each in labels]
        values = torch.stack(losses).tolist()
        own = math.fsum(loss * size for loss, size in zip(values, sizes, strict=True))
        right = int((torch.cat(predictions) == torch.cat(labels)).sum())
        loss_sum, correct, images = total([own, right, sum(sizes)])
        self._say(
            f"step {step}/{self._steps}, loss {loss_sum / images:.4f}, accuracy {correct / images:.4f}, lr {lr:.6g}"
        )
