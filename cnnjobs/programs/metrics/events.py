"""TensorBoard's event files, by its own reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from cnnjobs.programs.metrics.source import Notes
from cnnjobs.programs.metrics.tail import stamp_of
from cnnjobs.programs.reported import Reported

SOURCE: Final = "TensorBoard"
# Keras writes the same tags into a folder for each split.
_SPLITS: Final = frozenset({"train", "training", "val", "valid", "validation", "eval", "test"})


class EventFiles:
    """Scalars of all event files that `paths` finds."""

    def __init__(self, paths: Callable[[], Sequence[Path]], shown: Callable[[Path], str]) -> None:
        self._paths, self._shown = paths, shown
        self.notes = Notes()
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._loaders: dict[Path, Any] = {}
        self._plugins: dict[tuple[Path, str], str] = {}
        self._folder_of: dict[str, Path] = {}

    def look(self, *, at_the_end: bool) -> list[Reported]:
        """Scalars that are new, those of one step at once."""
        found: list[Reported] = []
        for path in self._paths():
            if at_the_end and path.exists() and path.stat().st_size == 0:
                self.notes.add(f"{self._shown(path)} is empty")
            stamp = stamp_of(path)
            if stamp == self._stamps.get(path) and not at_the_end:
                continue
            self._stamps[path] = stamp
            for step, at, values in self._rows(path):
                found.append(Reported(SOURCE, values, step=step, at=at))
        return found

    def _rows(self, path: Path) -> list[tuple[int, float, dict[str, float]]]:
        rows: list[tuple[int, float, dict[str, float]]] = []
        if path not in self._loaders:
            from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

            if not path.exists() or path.stat().st_size == 0:
                return rows
            self._loaders[path] = EventFileLoader(str(path))
        try:
            for event in self._loaders[path].Load():
                values = {}
                for value in event.summary.value:
                    if (scalar := self._scalar(path, value)) is not None:
                        name = self._name(path.parent, value.tag)
                        if name is not None:
                            values[name] = scalar
                if values and rows and rows[-1][0] == event.step and not values.keys() & rows[-1][2].keys():
                    rows[-1][2].update(values)
                elif values:
                    rows.append((int(event.step), float(event.wall_time), values))
        except Exception as error:
            # The reader's errors are those of protobuf, of TensorFlow and of the system.
            self.notes.add(
                f"{self._shown(path)}: {type(error).__name__}: {error}; what comes from there on does not count"
            )
        return rows

    def _scalar(self, path: Path, value: Any) -> float | None:
        """The number of a scalar summary; texts, images and histograms have none."""
        from tensorboard.util import tensor_util

        kind = self._plugins.setdefault((path, value.tag), value.metadata.plugin_data.plugin_name)
        if kind != "scalars" or value.WhichOneof("value") != "tensor":
            return None
        array = tensor_util.make_ndarray(value.tensor)
        # Of float32 the number that was meant: 0.1, and not 0.10000000149.
        return float(str(array.reshape(())[()])) if array.size == 1 else None

    def _name(self, folder: Path, tag: str) -> str | None:
        """The metric of a tag; with its folder where that is a split, or one of add_scalars; None for a second one."""
        group = f"{tag.replace('/', '_')}_"
        if folder.name in _SPLITS:
            name = f"{folder.name}/{tag}"
        elif folder.name.startswith(group) and folder.name != group:
            name = f"{tag}/{folder.name.removeprefix(group)}"
        else:
            name = tag
        first = self._folder_of.setdefault(name, folder)
        if first == folder:
            return name
        self.notes.add(f"{SOURCE}: {name} is in {self._shown(first)} and {self._shown(folder)}; the first counts")
        return None
