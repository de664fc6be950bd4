"""The process of one side: a piece of work that goes on for a window of time whenever it is told to.

python -m benchmarks.side     # started by `interleaved.Side`; orders come as lines of JSON
"""

from __future__ import annotations

import gc
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
    """Gate that a loop calls between two steps: it counts what is done, and waits between windows.

    The clock starts and stops only when the device has done all that it was given. `lead` steps of each window are not
    counted: while a side waits, the workers of a DataLoader go on with so many batches.
    """

    def __init__(self, orders: TextIO, replies: TextIO) -> None:
        self._orders, self._replies = orders, replies
        self.reset("cpu")

    def reset(self, device: str) -> None:
        """Before other work, on this device."""
        self._settle = _settling(device)
        self.lead = self._left = 0
        self._done = 0.0
        self._seconds = self._started = self._until = -1.0
        self._processor_s = 0.0

    def __call__(self, done: float = 1) -> None:
        """Between two steps; so many are `done` since the last call."""
        if self._left:
            self._left -= 1
            if not self._left:
                self._start()
            return
        if self._until < 0:
            self._settle()
            self.reply({"ready": True})
        elif time.perf_counter() < self._until:
            self._done += done
            return
        else:
            self._settle()
            seconds, processor_s = time.perf_counter() - self._started, time.process_time() - self._processor_s
            self.reply({"steps": self._done + done, "seconds": seconds, "processor_s": processor_s})
        order = self.read()
        if order is None or "work" in order:
            raise Over(order)
        self._seconds, self._left = order["seconds"], self.lead
        if not self._left:
            self._start()

    def _start(self) -> None:
        self._settle()
        self._done = 0.0
        self._processor_s = time.process_time()
        self._started = time.perf_counter()
        self._until = self._started + self._seconds

    def read(self) -> dict[str, Any] | None:
        """The next order; None when there will be none."""
        line = self._orders.readline()
        return json.loads(line) if line else None

    def reply(self, found: dict[str, Any]) -> None:
        """Tell the one who ordered."""
        self._replies.write(json.dumps(found) + "\n")
        self._replies.flush()


def first_gpu() -> str:
    """The GPU that a process takes when nothing else is said, as CUDA_VISIBLE_DEVICES names it."""
    return (os.environ.get("CUDA_VISIBLE_DEVICES") or "0").partition(",")[0]


def _settling(device: str) -> Callable[[], None]:
    """Function that waits until the device has done all its work: a GPU is only told what to do."""
    if device != "cuda":
        return lambda: None
    import torch

    return torch.cuda.synchronize


def serve(orders: TextIO, replies: TextIO) -> None:
    """Do what is ordered until nothing more is."""
    gate = Gate(orders, replies)
    order = gate.read()
    while order is not None:
        module, _, function = WORKS[order.pop("work")].partition(":")
        gate.reset(order["device"])
        try:
            getattr(importlib.import_module(f"benchmarks.{module}"), function)(gate, **order)
            order = gate.read()
        except Over as over:
            order = over.order
        except Exception:
            gate.reply({"error": traceback.format_exc()})
            order = gate.read()
        gc.collect()  # the workers of a DataLoader end, and memory of a GPU is free


def main() -> None:
    """Take orders from standard input."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no reply
    serve(sys.stdin, replies)


if __name__ == "__main__":
    main()
