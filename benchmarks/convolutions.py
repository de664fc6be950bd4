"""How fast this machine convolves, and how much of it a network's training asks for."""

from __future__ import annotations

import itertools
import time
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.side import Gate
from cnnjobs.training.evaluate import autocast
from cnnjobs.training.worker import prepare_process

_BATCH: Final = 64
# Channels in and out, side of the image, side of the filter: the shapes that small networks are made of.
_SHAPES: Final = ((64, 64, 32, 3), (128, 128, 16, 3), (256, 256, 8, 3), (64, 128, 16, 5), (128, 128, 16, 5))
_TRIALS: Final = 3


def peak(gate: Gate, *, precision: str, threads: int, device: str) -> None:
    """Forward convolutions in channels last, of the shape that runs fastest here; a step is a GFLOP."""
    chosen, _ = prepare_process(threads, 0 if device == "cuda" else None)
    if chosen.type == "cuda":
        gate.settle = torch.cuda.synchronize
    with torch.no_grad(), autocast(chosen, precision):
        cases = [_case(shape, chosen) for shape in _SHAPES]
        best = max(cases, key=lambda case: case[2] / _seconds(case, chosen))
        done = 0.0
        for _ in itertools.count():
            F.conv2d(best[0], best[1], padding="same")
            done += best[2]
            while done >= 1:
                gate()
                done -= 1


def _case(shape: tuple[int, int, int, int], device: torch.device) -> tuple[Tensor, Tensor, float]:
    """Images, filters, GFLOP of one pass."""
    inner, outer, side, filter_side = shape
    images = torch.randn(_BATCH, inner, side, side, device=device).to(memory_format=torch.channels_last)
    filters = torch.randn(outer, inner, filter_side, filter_side, device=device).to(memory_format=torch.channels_last)
    if torch.is_autocast_enabled(device.type):
        images = images.to(torch.get_autocast_dtype(device.type))
        filters = filters.to(images.dtype)
    return images, filters, 2 * _BATCH * outer * inner * (side * filter_side) ** 2 / 1e9


def _seconds(case: tuple[Tensor, Tensor, float], device: torch.device) -> float:
    """The shortest of a few passes."""
    found = []
    for _ in range(_TRIALS + 1):
        started = time.perf_counter()
        F.conv2d(case[0], case[1], padding="same")
        if device.type == "cuda":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - started)
    return min(found[1:])


def training_gflop(model: Any, input_shape: tuple[int, int, int]) -> float:
    """GFLOP of one image's training step in convolutions and linear layers.

    Forward, weights and input each cost the same; nobody needs the gradient of the images.
    """
    from cnnjobs.report.layers import layer_table

    macs = [layer.macs for layer in layer_table(model, input_shape).layers if layer.macs]
    return 2 * (3 * sum(macs) - macs[0]) / 1e9
