"""Log of the job of a run: its file, the lines of that run, and the last frames of what failed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cnnjobs.disk.run_folder import RunState, RunStore
from cnnjobs.slurm.submissions import Position, evaluation_positions, submissions
from cnnjobs.status.reasons import log_tail
from cnnjobs.status.run_status import RunStatus, RunStatuses
from cnnjobs.status.sweep_status import SweepStatus

_LAST_LINES: Final = 8
_SIGNED: Final = re.compile(r"([\w.=+-]+-[0-9a-f]{8}): (.*)")
_ENDS: Final = tuple(
    str(state) for state in RunState if state not in (RunState.PENDING, RunState.RUNNING, RunState.LOST)
)


@dataclass(frozen=True)
class RunLog:
    """The files that the job of a run writes to, and whether other runs write there, too."""

    files: tuple[Path, ...]
    run_id: str
    is_shared: bool

    def lines(self, text: str, training: set[str] | None = None) -> Iterator[str]:
        """The lines that are about the run: its own, and what was printed without a name while it trained.

        `training` are the runs at work where the text begins, and afterwards those where it ends.
        """
        training = set() if training is None else training
        for line in text.splitlines():
            signed = _SIGNED.match(line)
            if signed is None:
                if not self.is_shared or not training or self.run_id in training:
                    yield line
                continue
            run_id, words = signed.groups()
            if words.startswith("attempt "):
                training.add(run_id)
            elif words.partition(":")[0] in _ENDS:
                training.discard(run_id)
            if run_id == self.run_id or not self.is_shared:
                yield line


def find_log(store: RunStore, status: RunStatus, position: Position | None) -> RunLog:
    """The log of the run's last job, then of those that evaluate it; without files when all of them are collected."""
    trained = _training_log(store, status, position)
    others = [each for each in evaluation_positions(submissions(store), status.run_id) if _log(each).exists()]
    files = (*trained.files, *map(_log, others))
    return replace(trained, files=files, is_shared=trained.is_shared or any(len(each.run_ids) > 1 for each in others))


def _training_log(store: RunStore, status: RunStatus, position: Position | None) -> RunLog:
    last = status.attempts[-1].job_id if status.attempts else None
    local = [] if last is None or not last.isdecimal() else _local(store, last)
    if local:
        return RunLog(tuple(local), status.run_id, is_shared=True)
    if position is not None and _log(position).exists():
        return RunLog((_log(position),), status.run_id, is_shared=len(position.run_ids) > 1)
    return RunLog((), status.run_id, is_shared=False)


def _log(position: Position) -> Path:
    return position.submission.log(position.index)


def _local(store: RunStore, job_id: str) -> list[Path]:
    """Log of the worker of that number, in the latest launch that had one."""
    launches = sorted({path.parent for path in store.jobs_folder.glob(f"*/{job_id}_0_log.*")})
    return [path for name in ("out", "err") if launches and (path := launches[-1] / f"{job_id}_0_log.{name}").exists()]


@dataclass(frozen=True)
class Failure:
    """Runs that have failed alike, with the last lines of what they said."""

    runs: tuple[RunStatus, ...]
    cause: str
    frames: tuple[str, ...]


def failures(truth: SweepStatus) -> Sequence[Failure]:
    """Every failed and lost run, those with the same end together."""
    return tuple(_alike(truth.snapshot, truth))


def _alike(snapshot: RunStatuses, truth: SweepStatus) -> Iterator[Failure]:
    groups: dict[tuple[str, tuple[str, ...]], list[RunStatus]] = {}
    for status in snapshot.having(RunState.FAILED, RunState.LOST):
        groups.setdefault((status.cause or "no cause was written", _frames(status, truth)), []).append(status)
    for (cause, frames), runs in groups.items():
        yield Failure(tuple(runs), cause, frames)


def _frames(status: RunStatus, truth: SweepStatus) -> tuple[str, ...]:
    position = truth.positions.get(status.run_id)
    text = status.traceback or (log_tail(position.submission.log(position.index)) if position else "")
    return tuple([line for line in text.splitlines() if line.strip()][-_LAST_LINES:])
