"""The share of the time in which a GPU computes while one side works, as its driver tells it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Final

from benchmarks import reports
from benchmarks.interleaved import Side, Spread, spread
from benchmarks.side import first_gpu
from cnnjobs.system.capacity import measured

# The driver tells the share of up to a second that has gone by.
_LAG_S: Final = 1.2
_WATCHED_S: Final = 2.0
_EVERY_S: Final = 0.2


def watch(sides: Mapping[str, Side]) -> dict[str, Spread]:
    """Utilisation by the driver while each side works alone; empty where it reports none."""
    return {name: _watch(side) for name, side in sides.items()}


def _watch(side: Side) -> Spread:
    side.wait()
    side.begin(_LAG_S + _WATCHED_S)
    time.sleep(_LAG_S)
    found = []
    until = time.monotonic() + _WATCHED_S
    while time.monotonic() < until:
        found.append(busy_share())
        time.sleep(_EVERY_S)
    side.answer()
    return spread([share for share in found if share is not None])


def busy_share() -> float | None:
    """Between 0 and 1, from NVML where nvidia-ml-py is installed and else from nvidia-smi; None where neither tells."""
    import torch

    try:
        return torch.cuda.utilization(0) / 100
    except Exception:  # those of nvidia-ml-py and of torch have nothing in common
        usage = measured(os.getpid(), first_gpu())
        return usage.busy if usage else None


def part(found: Mapping[str, Mapping[str, Spread]]) -> str:
    """Findings by the network and then by the side."""
    sides = list(next(iter(found.values()), {}))
    heading = "## GPU utilisation\n\n"
    if not sides:
        return heading + "Not measured: there is no GPU here."
    if not any(each.n for own in found.values() for each in own.values()):
        return heading + "Not measured: neither NVML nor nvidia-smi tells it here (of a part of a GPU they never do)."
    rows = [[network, *(str(own[side]) for side in sides)] for network, own in found.items()]
    return (
        f"{heading}Share of the time in which some kernel ran, over {_WATCHED_S:g} s of each side alone.\n\n"
        + reports.table(["network", *sides], rows)
    )
