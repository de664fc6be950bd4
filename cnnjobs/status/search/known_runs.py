"""Runs of a sweep that are known now: all of its file's, or those that a search has proposed so far."""

from __future__ import annotations

from collections.abc import Sequence

from cnnjobs.config.kinds import AnyConfig, read_any_config
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.errors import InputError
from cnnjobs.search.proposals import Proposals
from cnnjobs.sweep.file import Sweep
from cnnjobs.sweep.labels import SweepRun, name_runs


class KnownRuns:
    """The runs of a sweep, looked at again and again."""

    def __init__(self, sweep: Sweep, store: RunStore) -> None:
        self._sweep = sweep
        self._runs: dict[str, AnyConfig] = {run.run_id: run.config for run in sweep.runs}
        proposing = sweep.proposing
        self._proposals = None if proposing is None else Proposals.of(store, lambda: proposing.space)
        self._found: tuple[SweepRun, ...] = sweep.runs
        self._number = 0

    def __call__(self) -> tuple[SweepRun, ...]:
        """All of them, in the order of the file or of their proposals. Raises InputError, OSError."""
        if self._proposals is None:
            return self._sweep.runs
        known = self._proposals.known()
        if len(known) != self._number:
            self._number = len(known)
            configs = [
                (self._config(run_id, nested), each.variant) for each in known for run_id, nested in each.runs.items()
            ]
            kinds, variants = zip(*configs, strict=True)
            self._found = name_runs(kinds, variants, [None] * len(kinds))
        return self._found

    def _config(self, run_id: str, nested: dict[str, object]) -> AnyConfig:
        if run_id not in self._runs:
            config = read_any_config(nested)
            if isinstance(config, list):
                raise InputError(f"{run_id} was proposed, and cannot be read: {config[0].key}: {config[0].found}")
            self._runs[run_id] = config
        return self._runs[run_id]

    def to_come(self) -> int:
        """Number of runs that are still to be proposed. Raises InputError, OSError."""
        if self._proposals is None:
            return 0
        known: Sequence[object] = self._proposals.known()
        each = len(self._found) // len(known) if known else 1
        return self._proposals.left() * max(1, each)
