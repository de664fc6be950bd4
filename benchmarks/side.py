"""The process of one side: a piece of work that goes on for a window of time whenever it is told to.

python -m benchmarks.side     # started by `interleaved.Side`; orders come as lines of JSON
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, Final, TextIO

WORKS: Final = {
    "cnnjobs": "own_loop:train",
    "cnnjobs batches": "own_loop:batches",
    "bare step": "own_loop:bare",
    "stacked": "stacked_loop:train",
    "sources": "plain_loop:train",
    "sources batches": "plain_loop:batches",
    "torchvision": "plain_loop:torchvision_style",
    "Lightning": "lightning_loop:train",
    "Lightning step": "lightning_loop:step",
    "convolutions": "convolutions:peak",
}


class Over(BaseException):
    """Other work is wanted, or none; no `except Exception` on the way holds it up."""

    def __init__(self, order: dict[str, Any] | None) -> None:
        super().__init__()
        self.order = order


class Gate:
    """What a loop calls before each step: it counts them, and waits between windows."""

    def __init__(self, orders: TextIO, replies: TextIO) -> None:
        self._orders, self._replies = orders, replies
        self.settle: Callable[[], None] = lambda: None
        self.reset()

    def reset(self) -> None:
        """Before other work."""
        self.settle = lambda: None
        self._steps = 0
        self._started = self._until = -1.0
        self._processor_s = 0.0

    def __call__(self) -> None:
        """Between two steps."""
        if self._until < 0:
            self.reply({"ready": True})
        elif time.perf_counter() < self._until:
            self._steps += 1
            return
        else:
            self.settle()  # what a GPU was given is done
            seconds, processor_s = time.perf_counter() - self._started, time.process_time() - self._processor_s
            self.reply({"steps": self._steps + 1, "seconds": seconds, "processor_s": processor_s})
        order = self.read()
        if order is None or "work" in order:
            raise Over(order)
        self._steps = 0
        self._processor_s = time.process_time()
        self._started = time.perf_counter()
        self._until = self._started + order["seconds"]

    def read(self) -> dict[str, Any] | None:
        """The next order; None when there will be none."""
        line = self._orders.readline()
        return json.loads(line) if line else None

    def reply(self, found: dict[str, Any]) -> None:
        """Tell the one who ordered."""
        self._replies.write(json.dumps(found) + "\n")
        self._replies.flush()


def main() -> None:
    """Do what is ordered until nothing more is."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no reply
    gate = Gate(sys.stdin, replies)
    order = gate.read()
    while order is not None:
        module, _, function = WORKS[order.pop("work")].partition(":")
        gate.reset()
        try:
            getattr(importlib.import_module(f"benchmarks.{module}"), function)(gate, **order)
            order = gate.read()
        except Over as over:
            order = over.order
        except Exception:
            gate.reply({"error": traceback.format_exc()})
            order = gate.read()


if __name__ == "__main__":
    main()
