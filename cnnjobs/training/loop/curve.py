"""Points of training at which something is measured, and the training curve between two validations."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any, Final

import torch
from torch import Tensor

from cnnjobs.config.intervals import Steps
from cnnjobs.config.run import RunConfig
from cnnjobs.errors import DivergedError

WINDOWS_PER_EPOCH: Final = 50


def marks(every: Fraction, steps_per_epoch: int, total: int) -> Iterator[int]:
    """The steps nearest to every `every` epochs (a half goes down: 351 of 703), and the last step."""
    every = max(every, Fraction(1, steps_per_epoch))
    last = 0
    for count in itertools.count(1):
        step = min(math.ceil(count * every * steps_per_epoch - Fraction(1, 2)), total)
        if step > last:
            last = step
            yield step
        if step == total:
            return


def validation_steps(every: float | Steps, steps_per_epoch: int, total: int) -> frozenset[int]:
    """The steps after which the network is validated; the last one is always among them."""
    if isinstance(every, Steps):
        return frozenset((*range(every.steps, total, every.steps), total))
    return frozenset(marks(Fraction(str(every)), steps_per_epoch, total))


def window_ends(steps_per_epoch: int) -> frozenset[int]:
    """The steps of an epoch, counted from 1, after which a window of the training curve ends."""
    return frozenset(marks(Fraction(1, WINDOWS_PER_EPOCH), steps_per_epoch, steps_per_epoch))


@dataclass
class TrainingCurve:
    """Training loss and accuracy, as trained, since the last validation.

    Steps are kept on the device and read once per window of about 1/50 epoch. `step` is a window's last step, `loss`
    and `sd` are the mean and standard deviation (of the population) over its steps, `accuracy` the share of images that
    were right.
    """

    step: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    sd: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    images: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self._open: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One step: its mean loss (), logits (B, classes), labels (B,). The device is not waited for.

        Gives the loss, what was predicted (B,), and the labels.
        """
        seen = (loss.detach(), logits.detach().argmax(1), labels)
        self._open.append(seen)
        return seen

    def close_window(self, step: int, total: Callable[[Sequence[float]], list[float]] = list) -> None:
        """Read the steps up to `step`; `total` adds up what several ranks have seen of each.

        Raises DivergedError with the first step whose loss is no number.
        """
        if not self._open:
            return
        losses, predictions, labels = zip(*self._open, strict=True)
        first = step - len(losses) + 1
        own = [len(batch) for batch in labels]
        right = int((torch.cat(predictions) == torch.cat(labels)).sum())
        sums = [loss * size for loss, size in zip(torch.stack(losses).tolist(), own, strict=True)]
        *totals, all_right = total([*sums, *own, right])
        sizes, correct = [int(size) for size in totals[len(own) :]], int(all_right)
        values = [loss_sum / size for loss_sum, size in zip(totals, sizes, strict=False)]
        for number, value in enumerate(values, first):
            if not math.isfinite(value):
                raise DivergedError(number)
        self.step.append(step)
        self.loss.append(statistics.fmean(values))
        self.sd.append(statistics.pstdev(values))
        self.accuracy.append(correct / sum(sizes))
        self.images += sum(sizes)
        self.loss_sum += math.fsum(value * size for value, size in zip(values, sizes, strict=True))
        self.correct += correct
        self._open.clear()

    def line(self) -> dict[str, Any]:
        """The training part of a line of metrics."""
        return {
            "images_per_s": self.images / self.seconds,
            "train.loss": self.loss_sum / self.images,
            "train.accuracy": self.correct / self.images,
            "windows": {"step": self.step, "loss": self.loss, "sd": self.sd, "accuracy": self.accuracy},
        }

    def state(self) -> dict[str, Any]:
        """All closed windows as plain values; `TrainingCurve(**state)` goes on from there."""
        return asdict(self)


def progress(line: dict[str, Any], config: RunConfig) -> str:
    """A line of metrics in words, for the job's log."""
    words = [f"epoch {line['epoch']:g}/{config.epochs}", f"train loss {line['train.loss']:.4f}"]
    if "validation.loss" in line:
        words.append(f"validation loss {line['validation.loss']:.4f} accuracy {line['validation.accuracy']:.4f}")
    return ", ".join((*words, f"{line['images_per_s']:.0f} images/s"))
