"""Collecting results batch by batch: values in one tensor, and the outcome of an evaluation."""

from __future__ import annotations

from typing import Final, Self

import torch
from torch import Tensor

from cnnjobs.training.data.test_predictions import Outcome

_FIRST_ROOM: Final = 1024


class Gathered:
    """Values (N,) of one kind, on their device, in a tensor that doubles when it is full.

    As many small tensors they would lie between the large ones of the batches, whose room malloc could not use again:
    an evaluation of large images would take more memory with every batch.
    """

    def __init__(self) -> None:
        self._room = torch.empty(0)
        self._count = 0

    def add(self, values: Tensor) -> None:
        """Take in values (n,), or one ()."""
        number = self._count + values.numel()
        if number > len(self._room):
            before = self.values()
            self._room = values.new_empty(max(_FIRST_ROOM, 2 * number))
            self._room[: self._count] = before
        self._room[self._count : number] = values
        self._count = number

    def values(self) -> Tensor:
        """All values (N,) so far."""
        return self._room[: self._count]


class OutcomeCollector:
    """Gathers an outcome from the batches of an evaluation; nothing leaves the device before the end."""

    def __init__(self) -> None:
        self._labels, self._predicted, self._confidence = Gathered(), Gathered(), Gathered()

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """One that has collected this outcome."""
        made = cls()
        made._labels.add(torch.from_numpy(outcome.labels))
        made._predicted.add(torch.from_numpy(outcome.predicted))
        made._confidence.add(torch.from_numpy(outcome.confidence))
        return made

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Take in the logits (B, classes) and labels (B,) of a batch."""
        self._labels.add(labels)
        self._predicted.add(logits.argmax(1))
        self._confidence.add(logits.float().softmax(1).amax(1))

    def outcome(self) -> Outcome | None:
        """All that was taken in; None where there was no image."""
        columns = (self._labels, self._predicted, self._confidence)
        labels, predicted, confidence = (column.values().cpu().numpy() for column in columns)
        if not len(labels):
            return None
        return Outcome(labels, predicted, confidence)
