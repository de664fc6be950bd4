"""MLflow's stores: its file store, and its database, which is what it has by itself since its third version."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from cnnjobs.programs.metrics.source import Notes, as_number
from cnnjobs.programs.metrics.tail import Tail
from cnnjobs.programs.reported import ProgramPlaces, Reported

SOURCE: Final = "MLflow"
# Of MLflow's runs in one store, ours has this tag.
_TAG: Final = "cnnjobs.run"
_QUERY: Final = """
    SELECT metrics.rowid, metrics.key, metrics.value, metrics.is_nan, metrics.step, metrics.timestamp
    FROM metrics JOIN tags ON tags.run_uuid = metrics.run_uuid
    WHERE tags.key = ? AND tags.value = ? AND metrics.rowid > ? ORDER BY metrics.rowid
"""


def mark_of(places: ProgramPlaces) -> str:
    """The value of the tag that MLflow's runs of this attempt have."""
    return f"{places.sweep_id}/{places.run_id}/{places.attempt}"


def mlflow_context(places: ProgramPlaces, before: str | None) -> str:
    """MLFLOW_RUN_CONTEXT, from which MLflow takes tags for its runs; those that a user has set stay."""
    try:
        tags = json.loads(before or "{}")
    except ValueError:
        tags = {}
    return json.dumps({**(tags if isinstance(tags, dict) else {}), _TAG: mark_of(places)})


class MlflowStore:
    """Metrics of MLflow's file store: a file for each, with lines of time, value and step."""

    def __init__(self, paths: Callable[[], Sequence[Path]]) -> None:
        self._paths = paths
        self.notes = Notes()
        self._tails: dict[Path, Tail] = {}

    def look(self, *, at_the_end: bool) -> list[Reported]:
        """Values that are new, in the order of their times."""
        found: list[Reported] = []
        for path in self._paths():
            name = "/".join(path.parts[len(path.parts) - path.parts[::-1].index("metrics") :])
            for raw in self._tails.setdefault(path, Tail(path)).lines(at_the_end=at_the_end):
                parts = [as_number(part) for part in raw.decode(errors="replace").split()]
                if len(parts) >= 2 and parts[0] is not None and parts[1] is not None:
                    step = parts[2] if len(parts) > 2 and parts[2] is not None else 0
                    found.append(Reported(SOURCE, {name: parts[1]}, step=step, at=parts[0] / 1000))
        return sorted(found, key=lambda one: one.at or 0.0)


class MlflowDatabases:
    """Metrics of the runs with this attempt's `mark` in the SQLite databases that `paths` finds."""

    def __init__(self, paths: Callable[[], Sequence[Path]], mark: str) -> None:
        self._paths, self._mark = paths, mark
        self.notes = Notes()
        self._read: dict[Path, int] = {}

    def look(self, *, at_the_end: bool) -> list[Reported]:
        """Values that are new."""
        found: list[Reported] = []
        for path in self._paths():
            try:
                rows = self._rows(path)
            except sqlite3.Error as error:
                # It may be in the making, or no database of MLflow's at all.
                if at_the_end and path.name == "mlflow.db":
                    self.notes.add(f"{path.name} cannot be read: {error}")
                continue
            for number, name, value, is_nan, step, time_ms in rows:
                self._read[path] = number
                metric = {name: math.nan if is_nan else value}
                found.append(Reported(SOURCE, metric, step=step, at=time_ms / 1000))
        return found

    def _rows(self, path: Path) -> list[tuple[int, str, float, int, int, int]]:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=1)) as database:
            return database.execute(_QUERY, (_TAG, self._mark, self._read.get(path, 0))).fetchall()
