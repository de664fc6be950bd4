"""Status of every run from its own files: cheap enough to poll twice a second."""

from __future__ import annotations

import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from cnnjobs.disk.files import NO_FILE
from cnnjobs.disk.metric_lines import PROGRAM_FRAME, read_line
from cnnjobs.disk.run_folder import Attempt, Evaluation, RunFolder, RunState, RunStore
from cnnjobs.status.search.known_runs import KnownRuns
from cnnjobs.status.startup_time import Starts, measured_starts, only_attempt
from cnnjobs.sweep.file import SweepRun
from cnnjobs.system.opening import open_to_read

_TAIL_BYTES: Final = 1 << 16
_ALIVE: Final = (RunState.RUNNING, RunState.INTERRUPTED)


@dataclass(frozen=True)
class RunStatus:
    """One run at one moment. `latest` are the metrics of its last validation, `final` those of its best weights.

    `silent_s` is the time since an unfinished run's last sign of life; `job` is its array task, `ahead` the
    number of those that wait before it.
    """

    run: SweepRun
    state: RunState
    epoch: float = 0.0
    cause: str | None = None
    traceback: str | None = None
    seconds: float = 0.0
    latest: Mapping[str, float] = field(default_factory=dict)
    final: Mapping[str, float] = field(default_factory=dict)
    evaluations: Mapping[str, Evaluation] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()
    notes: tuple[str, ...] = ()
    code: str | None = None
    silent_s: float | None = None
    job: str | None = None
    ahead: int | None = None

    @property
    def run_id(self) -> str:  # noqa: D102
        return self.run.run_id

    @property
    def epochs(self) -> int | None:
        """Number of epochs it may train, fewer by early stopping; None where it is not known."""
        return self.run.config.budget

    @property
    def progress(self) -> str:
        """Progress: `3/10` epochs, or the number of reports of a program."""
        return f"{self.epoch:g} reported" if self.epochs is None else f"{self.epoch:g}/{self.epochs}"

    @property
    def is_over(self) -> bool:
        """True if nothing more happens to it by itself."""
        return self.state.is_settled

    @property
    def label(self) -> str:
        """Label among the other runs of the sweep, its seed included."""
        return label(self.run)


def label(run: SweepRun) -> str:
    """Label of a run among the others of its sweep, its seed included, or else the name of its network or program."""
    seed = f"seed={run.overrides['seed']}" if "seed" in run.overrides else ""
    # A line, whatever the values are.
    return " ".join(f"{run.label} {seed}".split()) or run.config.kind_name


@dataclass(frozen=True)
class RunStatuses:
    """All runs of a sweep at one moment, in the order of its file.

    `processes` is how many processes start for each run that waits: workers of this machine are there already. `slots`
    is how many runs Slurm has a place for now. So many runs are `to_come` as a search proposes them.
    """

    runs: tuple[RunStatus, ...]
    processes: float = 0.0
    slots: int = 0
    to_come: int = 0

    @property
    def is_open(self) -> bool:
        """True if a run is not over, or still to come."""
        return bool(self.open) or self.to_come > 0

    def count(self, *states: RunState) -> int:
        """Number of runs in one of these states."""
        return sum(status.state in states for status in self.runs)

    def having(self, *states: RunState) -> tuple[RunStatus, ...]:
        """The runs in one of these states."""
        return tuple(status for status in self.runs if status.state in states)

    @property
    def open(self) -> tuple[RunStatus, ...]:
        """The runs that are not over."""
        return tuple(status for status in self.runs if not status.is_over)

    @property
    def at_work(self) -> int:
        """Number of runs, or stacks of them, at work at once: short ones are often looked at between two of them."""
        running = self.having(RunState.RUNNING)
        shares = (1 / (1 + status.attempts[-1].stacked) if status.attempts else 1 for status in running)
        return max(math.ceil(sum(shares) - 1e-6), self.slots)

    def seconds_left(self, workers: int) -> float | None:
        """The time to come when `workers` runs go on at once; None before the first validation of all.

        Of programs it is not known.
        """
        paces: dict[str, list[float]] = defaultdict(list)
        for status in self.runs:
            if status.epochs is None:
                return None
            if status.epoch > 0 and status.seconds > 0:
                paces[status.run.config.kind_name].append(status.seconds / status.epoch)
        if not paces:
            return None
        overall = _mean([pace for group in paces.values() for pace in group])
        means = {model: _mean(group) for model, group in paces.items()}
        starts = self._starts()
        start_s = self.processes * starts.first_s + (1 - self.processes) * starts.later_s
        ahead = [
            max(0.0, (status.epochs or 0) - status.epoch) * means.get(status.run.config.kind_name, overall)
            + (0.0 if status.state is RunState.RUNNING else start_s)
            for status in self.open
        ]
        return max([sum(ahead) / max(1, workers), *ahead], default=0.0)

    def _starts(self) -> Starts:
        alone = ((only_attempt(status.state, status.attempts), status.seconds) for status in self.runs)
        return measured_starts((attempt, seconds) for attempt, seconds in alone if attempt is not None)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


class RunFilesWatcher:
    """Looks at the same runs again and again; what is over is read once."""

    def __init__(self, store: RunStore, runs: Iterable[SweepRun] | KnownRuns) -> None:
        self._store = store
        self._known = runs if isinstance(runs, KnownRuns) else None
        self._runs = () if isinstance(runs, KnownRuns) else tuple(runs)
        self._over: dict[str, RunStatus] = {}

    def look(self) -> RunStatuses:
        """Every run that is known now."""
        runs = self._runs if self._known is None else self._known()
        statuses = tuple(
            replace(over, run=run)
            if (over := self._over.get(run.run_id))
            else read_status(self._store.run(run.run_id), run)
            for run in runs
        )
        self._over.update({status.run_id: status for status in statuses if status.is_over})
        return RunStatuses(statuses, to_come=0 if self._known is None else self._known.to_come())


def read_status(folder: RunFolder, run: SweepRun) -> RunStatus:
    """Read the status from the run's own files."""
    record = folder.read_record()
    line = last_line(folder.metrics_file) if record.attempts or record.state is RunState.RUNNING else {}
    return RunStatus(
        run,
        record.state,
        epoch=max(record.epochs_done, float(line.get("epoch", 0.0))),
        cause=None if record.cause is None else " ".join(record.cause.split()),
        traceback=record.traceback,
        seconds=float(line.get("seconds", 0.0)),
        latest=_metrics(line),
        final=record.metrics,
        evaluations=record.evaluations,
        attempts=record.attempts,
        notes=(*(" ".join(note.split()) for note in record.notes), *_replacing(folder, record.state)),
        code=record.code,
        silent_s=_silence(folder) if record.attempts and record.state in _ALIVE else None,
    )


def _replacing(folder: RunFolder, state: RunState) -> tuple[str, ...]:
    if state is RunState.FINISHED or not folder.earlier_folder.is_dir():
        return ()
    return ("starts again from nothing; what it had reached before stays in reports until it has finished",)


def _silence(folder: RunFolder) -> float | None:
    """Seconds since the worker last touched its metrics: it does so twice a minute."""
    with suppress(OSError):
        return max(0.0, time.time() - folder.metrics_file.stat().st_mtime)
    return None


def best_so_far(folder: RunFolder, metric: str, goal: str, tell: Callable[[str], None]) -> float | None:
    """The best value of a metric that the run has reached; `tell` hears of a damaged file."""
    values = [line[metric] for line in folder.read_metrics(windows=False, tell=tell) if line.get(metric) is not None]
    if not values:
        return None
    best: float = max(values) if goal == "maximize" else min(values)
    return best


def _metrics(line: Mapping[str, Any]) -> dict[str, float]:
    """The losses and accuracies of a line: the names with a dot; of a program's line all numbers that it reported."""
    if "source" in line:
        return {
            name: value for name, value in line.items() if name not in PROGRAM_FRAME and type(value) in (int, float)
        }
    return {name: value for name, value in line.items() if "." in name and value is not None}


def last_line(path: Path) -> dict[str, Any]:
    """The last whole line of metrics, from the file's end; {} where that holds none.

    A line that is still being written is not one.
    """
    try:
        with open_to_read(path) as file:
            size = file.seek(0, os.SEEK_END)
            length = min(size, _TAIL_BYTES)
            while True:
                file.seek(size - length)
                lines = file.read(length).split(b"\n")
                if len(lines) > 2 or length == size:
                    break
                length = min(size, 2 * length)
    except (FileNotFoundError, NotADirectoryError, *NO_FILE):
        return {}
    return (read_line(lines[-2]) if len(lines) > 1 else None) or {}
