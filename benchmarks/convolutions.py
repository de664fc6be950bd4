"""Speed of convolutions on this machine, and the share that a network's training uses."""

from __future__ import annotations

import time
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.own_loop import prepare
from benchmarks.side import Gate
from cnnjobs.training.networks.evaluate import autocast

# A GPU is not filled by the batches of a small network, and its peak is not what they leave of it.
_BATCH: Final = {"cpu": 64, "cuda": 1024}
# Channels in and out, side of the image, side of the filter: the shapes that small networks are made of.
_SHAPES: Final = ((64, 64, 32, 3), (128, 128, 16, 3), (256, 256, 8, 3), (64, 128, 16, 5), (128, 128, 16, 5))
_TRIALS: Final = 3


def peak(gate: Gate, *, precision: str, threads: int, device: str) -> None:
    """Forward convolutions in channels last, of the shape that runs fastest here; a step is a GFLOP."""
    chosen = prepare(threads, device)
    with torch.no_grad(), autocast(chosen, precision):
        cases = [_case(shape, chosen) for shape in _SHAPES]
        images, filters, gflop = max(cases, key=lambda case: case[2] / _seconds(case, chosen))
        while True:
            gate(gflop)
            F.conv2d(images, filters, padding="same")


def _case(shape: tuple[int, int, int, int], device: torch.device) -> tuple[Tensor, Tensor, float]:
    """Images, filters, GFLOP of one pass."""
    inner, outer, side, filter_side = shape
    batch = _BATCH[device.type]
    images = torch.randn(batch, inner, side, side, device=device).to(memory_format=torch.channels_last)
    filters = torch.randn(outer, inner, filter_side, filter_side, device=device).to(memory_format=torch.channels_last)
    if torch.is_autocast_enabled(device.type):
        images = images.to(torch.get_autocast_dtype(device.type))
        filters = filters.to(images.dtype)
    return images, filters, 2 * batch * outer * inner * (side * filter_side) ** 2 / 1e9


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
    from cnnjobs.training.networks.layer_table import layer_table

    macs = [layer.macs for layer in layer_table(model, input_shape).layers if layer.macs]
    return 2 * (3 * sum(macs) - macs[0]) / 1e9
