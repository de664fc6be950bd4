"""The user's own code when a sweep is started: what runs that begin are given, and what has changed for the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cnnjobs.config.kinds import AnyConfig
from cnnjobs.disk.code_copies import Code, Comparison, collect, have_changed
from cnnjobs.disk.code_walk import own_of
from cnnjobs.disk.run_folder import RunFolder, RunRecord, RunState, RunStore
from cnnjobs.errors import InputError
from cnnjobs.sweep.file import Sweep

# What the user wants of runs whose code has changed since: `new` trains them again, `kept` goes on with the old one.
CodeChoice = Literal["new", "kept"]
_OLDER: Final = "older"
_CHANGED: Final = "changed"


@dataclass(frozen=True)
class OwnCode:
    """Code that new runs are `given`; None where the sweep's import paths reach nothing of the user's own."""

    given: Code | None
    comparison: Comparison
    latest: str | None
    choice: CodeChoice | None = None

    @classmethod
    def look(cls, sweep: Sweep, store: RunStore, choice: CodeChoice | None) -> OwnCode:
        """Find the code and write nothing. Raises InputError."""
        project = Path.cwd()
        now = collect([run.config for run in sweep.runs], sweep.code, project, store.path.parent)
        given = now
        if choice == "kept":
            hash = kept_code(store)
            given = Code(store.codes.read(hash))
        return cls(given, Comparison(store.codes, now, project), store.codes.latest(), choice)

    @property
    def hash(self) -> str | None:
        """The copy that runs begin with."""
        return self.given.hash if self.given else None

    def changed(self, record: RunRecord, config: AnyConfig, *, is_queued: bool) -> tuple[str, ...]:
        """The files that are not as the run has them, or is to have them in a job that waits in the queue."""
        return self.comparison.changed(record.code or (self.latest if is_queued else None), config)

    def is_unknown(self, record: RunRecord, config: AnyConfig) -> bool:
        """Check whether an earlier version trained the run, which kept no copy of its code."""
        return bool(record.attempts) and record.code is None and bool(own_of(config, Path.cwd()))


def kept_code(store: RunStore) -> str:
    """The code that most finished runs were trained with, else the latest.

    Raises InputError when there is none, or it is not as it was.
    """
    records = [folder.read_record() for folder in store.runs()]
    latest = store.codes.latest()
    count = Counter(record.code for record in records if record.state is RunState.FINISHED and record.code)
    here = [hash for hash in count if store.codes.folder(hash).is_dir()]
    if not here and latest is None:
        raise InputError(f"--code kept: {store.path} has no copy of code to go on with; leave --code out")
    kept = max(here, key=lambda hash: (count[hash], hash == latest)) if here else str(latest)
    store.codes.checked(kept)
    return kept


def differences(folders: Sequence[RunFolder]) -> list[str]:
    """Notes on code of the runs at hand that has changed; nothing where it has not changed since."""
    found: dict[tuple[str, ...], list[RunFolder]] = {}
    for folder in folders:
        found.setdefault(_difference(folder.results), []).append(folder)
    told = []
    for (about, *files), runs in sorted(found.items()):
        which = f"run {runs[0].run_id}" if len(runs) == 1 else f"{len(runs)} runs"
        if about == _OLDER:
            told.append(f"{which}: older than copies of code; {files[0]} is used as it is now")
        elif about == _CHANGED:
            told.append(f"{which}: {have_changed(files)}; the code of that time is used, from {runs[0].codes.path}")
    return told


def _difference(folder: RunFolder) -> tuple[str, ...]:
    """Difference in words, and its files."""
    record, config = folder.read_record(), folder.read_config()
    now = collect([config], {}, Path.cwd(), folder.codes.path.parent.parent)
    if now is None:
        return ("",)
    if record.code is None:
        return (_OLDER, ", ".join(own_of(config, Path.cwd())))
    files = Comparison(folder.codes, now, Path.cwd()).changed(record.code, config)
    return (_CHANGED, *files) if files else ("",)
