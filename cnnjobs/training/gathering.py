"""Values that come batch by batch, in one tensor."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

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
