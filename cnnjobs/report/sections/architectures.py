"""The networks of a sweep, each once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from cnnjobs.disk.run_folder import RunRecord
from cnnjobs.report.results.table import Configuration, ResultsTable
from cnnjobs.report.sections.layers import LayerTable, layer_table
from cnnjobs.system import own_modules
from cnnjobs.training.networks.building import build_model
from cnnjobs.training.networks.freezing import freeze


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
    for configuration in table.configurations:
        record = _started(configuration, table.records)
        seen = (record.input_shape, len(record.classes), record.code) if record else None
        config = configuration.runs[0].config
        model = config.model
        choice = f"{json.dumps(model.model_dump(mode='json'), sort_keys=True)} {config.freeze} {seen}"
        if choice not in by_choice:
            code = table.store.codes.here(record.code) if record else None
            with own_modules.used(code):
                by_choice[choice] = (model.name, *_table(configuration, record))
        name, layers, problem = by_choice[choice]
        found.setdefault((name, layers, problem), (name, layers, problem, []))[3].append(configuration.label)
    return [Architecture(name, tuple(labels), layers, problem) for name, layers, problem, labels in found.values()]


def _started(configuration: Configuration, records: Mapping[str, RunRecord]) -> RunRecord | None:
    """The record of a run that knows what its network was built for."""
    known = [records[run.run_id] for run in configuration.runs]
    return next((record for record in known if record.input_shape is not None), None)


def _table(configuration: Configuration, record: RunRecord | None) -> tuple[LayerTable | None, str]:
    """The layers, or why there are none: a network of the user's own may need what is not here."""
    if record is None or record.input_shape is None:
        return None, "the size of its images is known once a run of it has started"
    config = configuration.runs[0].config
    try:
        with torch.random.fork_rng(devices=[]):
            network = build_model(config, record.input_shape, len(record.classes))
        if config.freeze:
            freeze(network, config.freeze)
        return layer_table(network, record.input_shape), ""
    except Exception as error:
        return None, f"its layers cannot be listed here: {type(error).__name__}: {' '.join(str(error).split())}"
