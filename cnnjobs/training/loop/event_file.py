"""TensorBoard's view of a run: one events file with its scalars and hyperparameters."""

from __future__ import annotations

import io
import json
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard.summary import hparams

from cnnjobs import registry
from cnnjobs.config.run import RunConfig
from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.errors import storage_error
from cnnjobs.system.opening import to_write

METRICS: Final = tuple(f"{split}.{what}" for split in ("train", "validation", "test") for what in ("loss", "accuracy"))
_LINE_TAGS: Final = ("train.accuracy", "validation.loss", "validation.accuracy", "lr", "images_per_s", "epoch")
_COMPONENTS: Final = ("dataset", "model", "loss", "optimizer", "schedule")
ABSENT: Final = "none"


class EventFile:
    """The run's one events file: written anew from the kept lines of metrics when a run goes on."""

    def __init__(self, folder: RunFolder, config: RunConfig, lines: Sequence[Mapping[str, Any]]) -> None:
        for old in folder.event_files():
            old.unlink()
        # TensorBoard's relative time is then the run's own, whatever passed between two attempts.
        self._began = time.time() - (lines[-1]["seconds"] if lines else 0.0)
        self._path = folder.path / f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}"
        self._path.open("xb").close()
        self._size = 0
        self._events = [Event(wall_time=self._began, file_version="brain.Event:2")]
        hyperparameters, started, self._ended = hparams(  # type: ignore[no-untyped-call]
            all_hyperparameters(config), dict.fromkeys(map(_tag, METRICS), 0.0)
        )
        self._events += [Event(wall_time=self._began, summary=summary) for summary in (hyperparameters, started)]
        for line in lines:
            self._add(line)
        self._write()

    def add(self, line: Mapping[str, Any]) -> None:
        """A line of metrics. Raises StorageError; then it may be added again."""
        self._add(line)
        self._write()

    def finish(self, step: int, seconds: float, metrics: Mapping[str, float]) -> None:
        """The metrics of the test split and the end of the session. Raises StorageError."""
        self._scalars(step, seconds, {name: value for name, value in metrics.items() if name.startswith("test.")})
        self._events.append(Event(wall_time=self._began + seconds, summary=self._ended))
        self._write()

    def _add(self, line: Mapping[str, Any]) -> None:
        for step, loss in zip(line["windows"]["step"], line["windows"]["loss"], strict=True):
            self._scalars(step, line["seconds"], {"train.loss": loss})
        self._scalars(line["step"], line["seconds"], {name: line[name] for name in _LINE_TAGS if name in line})

    def _scalars(self, step: int, seconds: float, values: Mapping[str, float]) -> None:
        summary = Summary(value=[Summary.Value(tag=_tag(name), simple_value=value) for name, value in values.items()])
        self._events.append(Event(wall_time=self._began + seconds, step=step, summary=summary))

    def _write(self) -> None:
        buffer = io.BytesIO()
        writer = RecordWriter(buffer)
        for event in self._events:
            writer.write(event.SerializeToString())
        self._events.clear()
        try:
            # Opened each time, so that it can be away in between; what a refused write has left goes.
            with open(self._path, "r+b", opener=to_write) as file:
                file.seek(self._size)
                file.truncate()
                file.write(buffer.getvalue())
        except OSError as error:
            raise storage_error(self._path, error) from error
        self._size += len(buffer.getvalue())


def all_hyperparameters(config: RunConfig) -> dict[str, float | str]:
    """Every key that any run could have: TensorBoard shows no table when the keys of runs differ."""
    keys: dict[str, Any] = {
        f"{kind}.{option}": ABSENT
        for kind in _COMPONENTS
        for component in registry.components(kind).values()
        for option in component.parameters
    }
    return {key: _plain(value) for key, value in (keys | config.flat()).items()}


def _plain(value: Any) -> float | str:
    if value is None:
        return ABSENT
    return value if isinstance(value, int | float | str) else json.dumps(value)


def _tag(metric: str) -> str:
    return metric.replace(".", "/")
