"""All that a program reports, from wherever it does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from cnnjobs.programs.metrics.channel import Channel
from cnnjobs.programs.metrics.events import EventFiles
from cnnjobs.programs.metrics.found import FoundFiles, is_database, is_events, is_mlflow, is_table, is_trainer_state
from cnnjobs.programs.metrics.mlflow import MlflowDatabases, MlflowStore, mark_of, mlflow_context
from cnnjobs.programs.metrics.output import Output
from cnnjobs.programs.metrics.source import Notes, Source
from cnnjobs.programs.metrics.stores import JsonFiles, TrainerStates, as_wandb
from cnnjobs.programs.metrics.tables import Tables
from cnnjobs.programs.reported import ProgramPlaces, Reported

CHILD_FOLDER: Final = Path(__file__).parent / "child"
# They place the metrics beside them, and any source may have them.
_COUNTERS: Final = frozenset({"epoch", "global_step", "iteration", "iter"})
_KEPT_NOTES: Final = 40


def variables(places: ProgramPlaces, base: Mapping[str, str]) -> dict[str, str]:
    """Variables by which a program's processes report; `base` is the environment that they are added to."""
    before = base.get("PYTHONPATH")
    path = f"{CHILD_FOLDER}{os.pathsep}{before}" if before else str(CHILD_FOLDER)
    return {"MLFLOW_RUN_CONTEXT": mlflow_context(places, base.get("MLFLOW_RUN_CONTEXT")), "PYTHONPATH": path}


def heard(line: Sequence[str]) -> list[str]:
    """A command line whose `env PYTHONPATH=...` leaves the way in which its processes report."""
    if not line or Path(line[0]).name != "env":
        return list(line)
    end = next((number for number, item in enumerate(line[1:], 1) if "=" not in item), len(line))
    name = "PYTHONPATH="
    return [
        f"{name}{CHILD_FOLDER}{os.pathsep}{item.removeprefix(name)}" if number < end and item.startswith(name) else item
        for number, item in enumerate(line)
    ]


class Collector:
    """The metrics of one attempt of a program.

    `collect` has patterns by `csv`, `json` and `stdout`; `metric` is the one that the sweep is about. Where several
    sources have a metric, the one counts that had it first, and of those at one look the first in the package's order.
    """

    def __init__(
        self,
        places: ProgramPlaces,
        *,
        collect: Mapping[str, str | Sequence[str]] | None = None,
        metric: str | None = None,
    ) -> None:
        patterns = {kind: [given] if isinstance(given, str) else list(given) for kind, given in (collect or {}).items()}
        self._places, self._metric = places, metric
        self._channel = Channel(places.metrics_file)
        self._files = FoundFiles(places, self._channel.files)
        self._output = Output(patterns.get("stdout", []))
        self._named = {kind: patterns.get(kind, []) for kind in ("csv", "json")}
        named = Tables(self._of_pattern("csv"), self._shown, is_named=True)
        documents = JsonFiles(self._of_pattern("json"), self._shown)
        self._states = TrainerStates(self._that(is_trainer_state), as_wandb="/" in (metric or ""))
        events = EventFiles(self._that(is_events), self._shown)
        tables = Tables(self._that(is_table), self._shown, is_named=False)
        store = MlflowStore(self._that(is_mlflow))
        database = MlflowDatabases(self._that(is_database), mark_of(places))
        self._sources: list[Source] = [
            *(named, documents, self._output, self._channel, self._states, events, tables, store, database)
        ]
        self._owners: dict[str, tuple[Source, str]] = {}
        self._own_notes = Notes(_KEPT_NOTES)
        self._found: dict[str, None] = {}
        self._doubles: dict[tuple[str, str], dict[str, None]] = {}

    @property
    def sources(self) -> tuple[str, ...]:
        """The ways in which something was reported so far."""
        return tuple(self._found)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on reports that do not count, and why."""
        doubles = [
            f"{', '.join(names)}: from {first} and from {other}; {first} counts"
            for (first, other), names in self._doubles.items()
        ]
        every: list[Iterable[str]] = [
            self._own_notes,
            doubles,
            *(source.notes for source in self._sources),
            self._files.notes,
        ]
        return tuple(dict.fromkeys(note for notes in every for note in notes))

    @property
    def opened(self) -> list[Path]:
        """Files that the program's Python processes have opened to write, as far as that is of interest here."""
        return [*self._channel.files, *self._channel.shared]

    def hear(self, line: str) -> None:
        """Take a line of the program's output."""
        self._output.hear(line)

    def poll(self) -> list[Reported]:
        """New reports since the last poll. Raises OSError."""
        return self._look(at_the_end=False)

    def close(self) -> list[Reported]:
        """New reports after the end of the program, with notes on sources not found. Raises OSError."""
        found = self._look(at_the_end=True)
        if not self._found:
            # Where others are found, those are other runs' beyond doubt.
            self._files.tell_foreign()
        for kind, patterns in self._named.items():
            for pattern in patterns:
                if not self._files.of_pattern(pattern):
                    self._own_notes.add(self._in_vain(kind, pattern))
        return found

    def _look(self, *, at_the_end: bool) -> list[Reported]:
        # What its processes tell of files comes by the channel.
        first = self._channel.look(at_the_end=at_the_end)
        self._files.look(at_the_end=at_the_end)
        kept = []
        for source in self._sources:
            found = first if source is self._channel else source.look(at_the_end=at_the_end)
            for one in found:
                metrics = {name: value for name, value in one.metrics.items() if self._counts(name, source, one.source)}
                if metrics.keys() - _COUNTERS:
                    self._found.setdefault(one.source)
                    kept.append(replace(one, metrics=metrics))
        return kept

    def _counts(self, name: str, source: Source, called: str) -> bool:
        if name in _COUNTERS:
            return True
        if source is self._states and name != self._metric:
            # Its callback for W&B, or TensorBoard, may report the same by another name.
            by_another = self._owners.get(as_wandb(name))
            if by_another is not None and by_another[0] is not source:
                return False
        owner, first = self._owners.setdefault(name, (source, called))
        if owner is source and (first == called or source is self._channel):
            return True
        self._doubles.setdefault((first, called), {})[name] = None
        return False

    def _that(self, wanted: Callable[[Path], bool]) -> Callable[[], list[Path]]:
        return lambda: self._files.matching(wanted)

    def _of_pattern(self, kind: str) -> Callable[[], list[Path]]:
        return lambda: [path for pattern in self._named[kind] for path in self._files.of_pattern(pattern)]

    def _shown(self, path: Path) -> str:
        for root in (self._places.outputs, self._places.working_folder):
            if path.is_relative_to(root):
                return str(path.relative_to(root))
        return str(path)

    def _in_vain(self, kind: str, pattern: str) -> str:
        there = [self._shown(path) for path in self._files.matching(lambda path: path.suffix == f".{kind}")]
        seen = (
            f"; {kind} files that it has written: {', '.join(there[:5])}"
            if there
            else f"; it has written no {kind} file"
        )
        return f"collect: {kind}: {pattern} matches no file that was written since the start{seen}"
