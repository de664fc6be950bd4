"""Multiply-accumulates as torch counts them, each with the module whose `forward` makes it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Self

import torch

# Where torch keeps the version of a function that its compiler leaves alone (torch/_compile.py).
_DISABLED = "__dynamo_disable"


class Products:
    """Counts the multiply-accumulates of convolutions and matrix products, attention's among them, while it lasts."""

    def __init__(self) -> None:
        self._open: list[tuple[int, int]] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        from torch.utils import flop_counter

        _without_compiler(flop_counter)
        # The fast path of attention is one operation, which nothing can look into.
        fast = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        self._stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        self._counter = self._stack.enter_context(flop_counter.FlopCounterMode(display=False))
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def begin(self) -> None:
        """A module is called."""
        self._open.append((self._total(), 0))

    def end(self) -> int:
        """The module that was called last returns: its multiply-accumulates without those of modules inside it."""
        before, inside = self._open.pop()
        whole = self._total() - before
        if self._open:
            start, others = self._open[-1]
            self._open[-1] = (start, others + whole)
        return whole - inside

    def _total(self) -> int:
        # An addition is one, a multiplication another.
        return int(self._counter.get_total_flops()) // 2


def _without_compiler(flop_counter: Any) -> None:
    """Keep torch from loading its compiler, a second and a half, only to be told to leave the counter alone."""
    mode = getattr(flop_counter, "_FlopCounterMode", None)
    counting = getattr(getattr(mode, "__torch_dispatch__", None), "__wrapped__", None)
    if counting is not None and not hasattr(counting, _DISABLED):
        setattr(counting, _DISABLED, counting)
