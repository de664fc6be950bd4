"""The networks of a sweep, each once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnnjobs.disk.layer_tables import LayerTable
from cnnjobs.disk.run_folder import RunRecord, RunStore
from cnnjobs.report.results.table import Configuration, ResultsTable
from cnnjobs.report.text.numbers import counted
from cnnjobs.system import own_modules


@dataclass(frozen=True)
class Architecture:
    """A network and the labels of the configurations that train it; without a table, `problem` says why."""

    name: str
    labels: tuple[str, ...]
    table: LayerTable | None
    problem: str = ""

    @property
    def title(self) -> str:
        """`cnn (wide)`: its name, and who uses it."""
        others = len(self.labels) - 1
        used_by = self.labels[0] if not others else f"{self.labels[0]} and {others:,} more"
        return self.name if used_by == self.name else f"{self.name} ({used_by})"


def architectures(table: ResultsTable) -> list[Architecture]:
    """Every network of the sweep in order; configurations whose networks have the same layers share one."""
    by_choice: dict[str, tuple[str, LayerTable | None, str]] = {}
    found: dict[Any, tuple[str, LayerTable | None, str, list[str]]] = {}
    if table.sweep.is_of_program:
        return []
    for configuration in table.configurations:
        record = _started(configuration, table.records)
        seen = (record.input_shape, len(record.classes), record.code) if record else None
        config = configuration.runs[0].network
        model = config.model
        choice = f"{json.dumps(model.model_dump(mode='json'), sort_keys=True)} {config.freeze} {seen}"
        if choice not in by_choice:
            by_choice[choice] = (model.name, *_table(configuration, record, table.store))
        name, layers, problem = by_choice[choice]
        found.setdefault((name, layers, problem), (name, layers, problem, []))[3].append(configuration.label)
    return [Architecture(name, tuple(labels), layers, problem) for name, layers, problem, labels in found.values()]


def _started(configuration: Configuration, records: Mapping[str, RunRecord]) -> RunRecord | None:
    """The record of a run that knows what its network was built for."""
    known = [records[run.run_id] for run in configuration.runs]
    return next((record for record in known if record.input_shape is not None), None)


def unrecorded(table: ResultsTable) -> list[str]:
    """Notices of networks that the report has built, as no table of their layers was kept, or a damaged one."""
    missing: dict[str, None] = {}
    damaged: dict[str, None] = {}
    for configuration in table.configurations:
        record = _started(configuration, table.records)
        found = _recorded(configuration, record, table.store) if record else None
        if isinstance(found, str):
            damaged[found] = None
        elif record and found is None:
            config = configuration.runs[0].network
            missing[f"{config.model.model_dump_json()} {config.freeze} {record.input_shape} {record.code}"] = None
    told = [f"{damage}: its network was built for the report" for damage in damaged]
    if missing:
        networks = counted(len(missing), "network")
        told.append(f"{table.sweep.name}: {networks} built for the report: no table of layers was kept in training")
    return told


def _recorded(configuration: Configuration, record: RunRecord, store: RunStore) -> LayerTable | str | None:
    """Layers that training has kept: the layers, the damage of their file, or nothing."""
    assert record.input_shape
    config = configuration.runs[0].network
    file = store.networks.file(config, record.input_shape, len(record.classes), record.code)
    found = store.networks.read(file) if file else None
    return f"{file} is damaged ({found})" if isinstance(found, str) else found


def _table(configuration: Configuration, record: RunRecord | None, store: RunStore) -> tuple[LayerTable | None, str]:
    """The layers, or why there are none: a network of the user's own may need what is not here."""
    if record is None or record.input_shape is None:
        return None, "the size of its images is known once a run of it has started"
    found = _recorded(configuration, record, store)
    if isinstance(found, LayerTable):
        return found, ""
    from cnnjobs.training.networks.layer_table import built_layers

    try:
        with own_modules.used(store.codes.here(record.code)):
            return built_layers(configuration.runs[0].network, record.input_shape, len(record.classes)), ""
    except Exception as error:
        return None, f"its layers cannot be listed here: {type(error).__name__}: {' '.join(str(error).split())}"
