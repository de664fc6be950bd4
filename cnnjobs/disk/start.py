"""What the training of a run starts with, and what it ends with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnnjobs.config.run import RunConfig
from cnnjobs.disk.outage import Storage
from cnnjobs.disk.run_folder import RunFolder, RunRecord


@dataclass(frozen=True)
class Start:
    """What a workload is opened with.

    `code` is the hash of the copy of the user's modules, `before` the record of earlier attempts, of which this is
    number `attempt`, `state` the checkpoint to go on from and `lines` the metrics up to it. `learn` and `note` take
    fields and notes for the record; `stopped` tells when to raise Stopped.
    """

    config: RunConfig
    code: str | None
    folder: RunFolder
    before: RunRecord
    state: dict[str, Any] | None
    lines: Sequence[Mapping[str, Any]]
    threads: int
    storage: Storage
    stopped: Callable[[], bool]
    say: Callable[[str], None]
    note: Callable[[str], None]
    learn: Callable[..., None]
    attempt: int = 1


@dataclass(frozen=True)
class Result:
    """Metrics of a run that has finished, the epochs it took, the content of its files, and notes."""

    metrics: dict[str, float]
    best_epoch: float
    files: Mapping[Path, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
