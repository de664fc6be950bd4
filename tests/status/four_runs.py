"""A sweep of four runs, put on disk in any state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.disk.run_folder import Attempt, RunRecord, RunState, RunStore
from cnnjobs.sweep.file import Sweep, read_sweep

SWEEP = """\
name: four
base: {dataset: fashion_mnist_mini, model: lenet5, epochs: 10}
method: grid
parameters:
  lr: {values: [0.1, 0.2]}
seeds: 2
"""


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    path = tmp_path / "four.yaml"
    path.write_text(SWEEP)
    return read_sweep(path)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "results" / "four")


@pytest.fixture
def put(sweep: Sweep, store: RunStore) -> Callable[..., None]:
    """Put a run of the sweep, or `of` another one, on disk as it would be in that state: put(index, state, ...)."""

    def write(
        index: int, state: RunState, *, checkpoint: bool = False, of: Sweep | None = None, **changes: Any
    ) -> None:
        run = (of or sweep).runs[index]
        folder = store.run(run.run_id)
        folder.create(run.config)
        attempt = Attempt(number=1, host="elsewhere", pid=1, started="2026-01-01T00:00:00+00:00")
        folder.write_record(
            RunRecord(run_id=folder.run_id, state=state, attempts=(attempt,)).model_copy(update=changes)
        )
        folder.metrics_file.touch()
        if checkpoint:
            folder.write_checkpoint(b"weights")

    return write
