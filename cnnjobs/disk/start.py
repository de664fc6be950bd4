"""Values passed to and from a workload: the start, the standing and the end of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cnnjobs.config.kinds import AnyConfig
from cnnjobs.disk.outage import Storage
from cnnjobs.disk.run_folder import RunFolder, RunRecord


@dataclass(frozen=True)
class Start:
    """Arguments that open a workload.

    `code` is the hash of the copy of the user's modules, `before` the record of earlier attempts, of which this is
    number `attempt`, `state` the checkpoint to go on from and `lines` the metrics up to it. `learn` and `note` take
    fields and notes for the record; `stopped` tells when to raise Stopped.
    """

    config: AnyConfig
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
class Standing:
    """Where a run stands that has been stopped, in words: what is `done` and from where its next start `goes_on`.

    Before the `next` of it nothing more is kept; a time limit that always comes earlier is `too_short` for it. A
    `remark` tells from where it goes on where nothing else does.
    """

    done: str
    goes_on: str
    next: str
    too_short: str
    remark: str = ""

    @classmethod
    def of_epochs(cls, epoch: int) -> Standing:
        """With so many whole epochs on disk."""
        return cls(
            done=f"{epoch} epochs",
            goes_on=f"goes on from epoch {epoch}",
            next=f"the end of epoch {epoch + 1}",
            too_short="no whole epoch fits into",
        )

    @classmethod
    def of_program(cls, folder: RunFolder, lines: int, *, goes_on: bool = False) -> Standing:
        """With so many lines of metrics, and what is in its checkpoint folder; it `goes_on` without that, too."""
        done = f"{lines} lines of metrics"
        newest = folder.newest_checkpoint
        if newest is None and not goes_on:
            onwards, too_short = "starts again from nothing", "the program, which keeps no checkpoint, is not done in"
            return cls(done, onwards, "its end", too_short, f"; {onwards}")
        where = f"its own checkpoint, after {done}"
        if newest is not None:
            at = datetime.fromtimestamp(newest.lstat().st_mtime).astimezone().isoformat(" ", "seconds")
            where = f"its checkpoint folder ({newest.name} of {at})"
        onwards = f"goes on from {where}"
        return cls(done, onwards, "the next checkpoint", "the program gets no further in", f"; {onwards}")


@dataclass(frozen=True)
class Result:
    """Metrics of a run that has finished, the epochs it took, the content of its files, and notes."""

    metrics: dict[str, float]
    best_epoch: float
    files: Mapping[Path, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
