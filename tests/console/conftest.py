"""Snapshots of four runs, made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.disk.run_folder import RunState
from cnnjobs.status.run_status import RunStatus, RunStatuses
from cnnjobs.sweep.file import Sweep, read_sweep

SWEEP = """\
name: four
base: {dataset: fashion_mnist_mini, model: {name: cnn, filters: [4, 8]}, epochs: 10}
method: grid
parameters:
  model.hidden: {values: [[], [64]]}
seeds: 2
"""

Make = Callable[..., RunStatuses]


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    path = tmp_path / "four.yaml"
    path.write_text(SWEEP)
    return read_sweep(path)


@pytest.fixture
def snapshot(sweep: Sweep) -> Make:
    """snapshot({0: {"state": ..., ...}}): the runs named as they are described, the others pending."""

    def make(known: dict[int, dict[str, Any]]) -> RunStatuses:
        return RunStatuses(
            tuple(
                RunStatus(run, **{"state": RunState.PENDING, **known.get(index, {})})
                for index, run in enumerate(sweep.runs)
            )
        )

    return make
