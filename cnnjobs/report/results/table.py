"""The runs of a sweep as tables, with those that failed or never started."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pandas as pd

from cnnjobs.disk.files import write_whole
from cnnjobs.disk.metric_lines import PROGRAM_FRAME
from cnnjobs.disk.run_folder import RunFolder, RunRecord, RunState, RunStore
from cnnjobs.report.results.files import csv_bytes, is_missing
from cnnjobs.report.results.histories import RunHistory, run_history
from cnnjobs.report.results.statistics import Summary, summarise
from cnnjobs.sweep.file import Sweep, SweepRun
from cnnjobs.sweep.settings import METRICS

# What depends on the machine stays out of results.csv: a resumed sweep gives the same file as an undisturbed one.
_OF_THE_MACHINE: Final = ("seconds",)
_HISTORY: Final = ("run_id", "attempt", "step", "epoch", "seconds", "images_per_s", "lr", *METRICS[:4])
_PROGRAM_HISTORY: Final = ("run_id", "attempt", "step", "seconds")
# They tell where a program is, not how well it does.
COUNTERS: Final = frozenset({"epoch", "global_step", "trainer/global_step", "iteration", "iter", "_step", "_runtime"})
_REPLACED: Final = "is being trained again; until that has finished, what is told here is the run of before"

Tell = Callable[[str, int, int], None]
"""Hears what is being done, how much of it is done, and how much there is."""


def tell_nobody(_what: str, _done: int, _of: int) -> None:
    """Where nobody waits for it."""


@dataclass(frozen=True, eq=False)
class Configuration:
    """Runs that differ in nothing but the seed."""

    label: str
    runs: tuple[SweepRun, ...]


@dataclass(frozen=True)
class Choice:
    """The best configuration: its metric over the seeds that finished."""

    configuration: Configuration
    metric: str
    summary: Summary


@dataclass(frozen=True)
class ResultsTable:
    """Results of a sweep as a table.

    `runs` has a row for every run of the sweep file, in its order, whatever became of it: run_id, what differs (dotted
    keys, and `variant` where there are variants), seed, state, cause, epochs_done, best_epoch, seconds, final metrics
    (accuracies in [0, 1]). `lines` are the validations of each, without the windows of their training. `strays` are
    runs on disk that the file no longer holds.
    """

    sweep: Sweep
    store: RunStore
    runs: pd.DataFrame
    lines: Mapping[str, Sequence[Mapping[str, Any]]]
    records: Mapping[str, RunRecord]
    configurations: tuple[Configuration, ...]
    strays: tuple[RunRecord, ...]

    @classmethod
    def load(cls, sweep: Sweep, store: RunStore, tell: Tell = tell_nobody) -> ResultsTable:
        """Read every run of the sweep, whatever its state."""
        records: dict[str, RunRecord] = {}
        lines: dict[str, list[dict[str, Any]]] = {}
        for number, run in enumerate(sweep.runs, 1):
            tell("reading runs", number, len(sweep.runs))
            records[run.run_id], lines[run.run_id] = _read(store.run(run.run_id), windows=False)
        sweep = _measured(sweep, records)
        strays = tuple(_read(folder, windows=False)[0] for folder in store.runs() if folder.run_id not in records)
        return cls(
            sweep=sweep,
            store=store,
            runs=_run_frame(sweep, records, lines),
            lines=lines,
            records=records,
            configurations=_configurations(sweep.runs),
            strays=strays,
        )

    @property
    def has_validation(self) -> bool:
        """True if the weights that runs are measured with were chosen by validation images."""
        finished = self.finished(self.sweep.runs)
        return not finished or any("validation.loss" in record.metrics for record in finished)

    @cached_property
    def metrics(self) -> list[str]:
        """The names of the final metrics."""
        return _metric_names(self.sweep, self.records)

    @property
    def history(self) -> pd.DataFrame:
        """A row for every validation of every run."""
        lines = [line for own in self.lines.values() for line in own]
        first = _PROGRAM_HISTORY if self.sweep.is_of_program else _HISTORY
        others = set().union(*lines) - set(first) - (PROGRAM_FRAME if self.sweep.is_of_program else set())
        columns: dict[str, Any] = {"run_id": [run_id for run_id, own in self.lines.items() for _ in own]}
        columns |= {name: [line.get(name) for line in lines] for name in (*first[1:], *sorted(others))}
        return pd.DataFrame(columns)

    @property
    def evaluations(self) -> pd.DataFrame:
        """A row for every evaluation that came after a run's end, with its loss and accuracy."""
        columns = ["run_id", *_label_columns(self.sweep), "data", "split", "loss", "accuracy", "images", "device", "at"]
        rows = [
            {
                "run_id": run.run_id,
                **_label_parts(run, columns[1:-7]),
                "data": each.dataset["name"],
                "split": each.split,
            }
            | each.metrics
            | {"images": each.num_images, "device": each.device, "at": each.at}
            for run in self.sweep.runs
            for each in self.records[run.run_id].evaluations.values()
        ]
        return _frame(rows, columns)

    @property
    def label_keys(self) -> list[str]:
        """Keys in which the configurations differ: dotted keys, with `variant` first where there are variants."""
        return [key for key in _label_columns(self.sweep) if key != "seed"]

    @property
    def several_seeds(self) -> bool:
        """True if a configuration is trained with more than one."""
        return any(len(each.runs) > 1 for each in self.configurations)

    def finished(self, runs: Sequence[SweepRun]) -> list[RunRecord]:
        """The records of those runs that ended with their final metrics."""
        return [self.records[run.run_id] for run in runs if is_finished(self.records[run.run_id])]

    def stopped_at(self, run_id: str) -> str:
        """Place where a run was stopped early: `epoch 3`, of a program that tells none `step 40`; "" for other runs."""
        record, lines = self.records[run_id], self.lines[run_id]
        if record.state is not RunState.STOPPED:
            return ""
        if self.sweep.is_of_program and lines and "epoch" not in lines[-1]:
            return f"step {lines[-1]['step']:g}"
        return f"epoch {record.epochs_done:.4g}"

    def values(self, runs: Sequence[SweepRun], metric: str) -> list[float]:
        """A final metric of those runs that finished with it."""
        return [record.metrics[metric] for record in self.finished(runs) if metric in record.metrics]

    def summary(self, runs: Sequence[SweepRun], metric: str) -> Summary:
        """A final metric over those runs that finished with it."""
        return summarise(self.values(runs, metric))

    def aggregate(self) -> pd.DataFrame:
        """A row per configuration: what differs, how many seeds ran and finished, mean, sd and n of each metric.

        Where runs were stopped early, `stopped` and `stopped_at` tell how many seeds, and where.
        """
        keys, rows = self.label_keys, []
        stopped = {run.run_id: self.stopped_at(run.run_id) for run in self.sweep.runs}
        for configuration in self.configurations:
            row: dict[str, Any] = {"configuration": configuration.label, **_label_parts(configuration.runs[0], keys)}
            row["runs"] = len(configuration.runs)
            row["finished"] = len(self.finished(configuration.runs))
            if any(stopped.values()):
                own = [stopped[run.run_id] for run in configuration.runs if stopped[run.run_id]]
                row |= {"stopped": len(own), "stopped_at": ", ".join(dict.fromkeys(own)) or None}
            for metric in self.metrics:
                found = self.summary(configuration.runs, metric)
                row |= {f"{metric}.mean": found.mean, f"{metric}.sd": found.sd, f"{metric}.n": found.n}
            rows.append(row)
        return _frame(rows, list(rows[0]))

    def ranked(self) -> list[Choice]:
        """The configurations with a finished run, the best mean of the sweep's metric first."""
        metric = self.sweep.metric
        found = [Choice(each, metric.name, self.summary(each.runs, metric.name)) for each in self.configurations]
        sign = -1 if metric.goal == "maximize" else 1
        return sorted((choice for choice in found if choice.summary.n), key=lambda choice: sign * choice.summary.mean)

    def ordered(self, ranked: Sequence[Choice]) -> list[Configuration]:
        """All configurations: those that are ranked, then those without a finished run."""
        best = [choice.configuration for choice in ranked]
        return [*best, *(each for each in self.configurations if each not in best)]

    def validation_curves(self, runs: Sequence[SweepRun]) -> list[RunHistory]:
        """The curves of those runs that have measured something, without the windows of their training."""
        found = [run_history(run, self.records[run.run_id], self.lines[run.run_id]) for run in runs]
        return [history for history in found if history is not None]

    def curves(self, runs: Sequence[SweepRun]) -> list[RunHistory]:
        """The curves of those runs that have measured something, read again with every window of their training."""
        read = [(run, *_read(self.store.run(run.run_id))) for run in runs]
        found = [run_history(run, record, lines) for run, record, lines in read]
        return [history for history in found if history is not None]

    def write_csv(self, path: Path) -> None:
        """Write results.csv: all of `runs` that does not depend on the machine. Raises StorageError."""
        write_whole(path, csv_bytes(self.runs.drop(columns=list(_OF_THE_MACHINE))))


def is_finished(record: RunRecord) -> bool:
    """Check whether the run ended with its final metrics."""
    return record.state is RunState.FINISHED


def cell(value: Any) -> Any:
    """A configuration's value as a table holds it: lists and mappings as JSON, null as a text."""
    if value is None or isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False)
    return value


def _measured(sweep: Sweep, records: Mapping[str, RunRecord]) -> Sweep:
    """The sweep with a metric that its finished runs have: data sets of import paths may hold no validation images."""
    metric, other = sweep.metric, sweep.metric.in_training
    measured = {name for record in records.values() if is_finished(record) for name in record.metrics}
    if metric.name in measured or other.name not in measured:
        return sweep
    told = f"no run has validation images, `{metric.name}` was never measured: the best is chosen by {other.name}"
    return replace(sweep, metric=other, notices=(*sweep.notices, told))


def _read(folder: RunFolder, *, windows: bool = True) -> tuple[RunRecord, list[dict[str, Any]]]:
    """Record and metrics of a run; damaged files are told in its notes and causes, and never the end of the report."""
    kept, notes = folder.results, list[str]()
    record, lines = kept.read_record(), kept.read_metrics(windows=windows, tell=notes.append)
    if kept is not folder:
        notes.append(_REPLACED)
    return record.model_copy(update={"notes": (*record.notes, *notes)}), lines


def _configurations(runs: Sequence[SweepRun]) -> tuple[Configuration, ...]:
    groups: dict[str, list[SweepRun]] = {}
    for run in runs:
        identity = json.dumps({**run.config.nested(), "seed": None}, sort_keys=True)
        groups.setdefault(identity, []).append(run)
    return tuple(Configuration(group[0].label or group[0].config.kind_name, tuple(group)) for group in groups.values())


def _label_columns(sweep: Sweep) -> list[str]:
    keys = dict.fromkeys(key for run in sweep.runs for key in run.overrides if key != "seed")
    return [*(["variant"] if any(run.variant for run in sweep.runs) else []), *keys, "seed"]


def _label_parts(run: SweepRun, columns: Sequence[str]) -> dict[str, Any]:
    known = {key: cell(value) for key, value in run.overrides.items()}
    known |= {"variant": run.variant, "seed": run.config.seed}
    return {column: known.get(column) for column in columns}


def _metric_names(sweep: Sweep, records: Mapping[str, RunRecord]) -> list[str]:
    reported = {name for record in records.values() for name in record.metrics}
    first: Sequence[str] = METRICS
    if sweep.is_of_program:
        first, reported = (sweep.metric.name,) if sweep.metric.name else (), reported - COUNTERS
    return [*first, *sorted(reported - set(first))]


def _run_frame(
    sweep: Sweep, records: Mapping[str, RunRecord], lines: Mapping[str, list[dict[str, Any]]]
) -> pd.DataFrame:
    labels, metrics = _label_columns(sweep), _metric_names(sweep, records)
    epochs = [] if sweep.is_of_program else ["epochs_done", "best_epoch"]
    numbers = [*epochs, "seconds", *metrics]
    rows = []
    for run in sweep.runs:
        record, last = records[run.run_id], (lines[run.run_id] or [{}])[-1]
        row = {"run_id": run.run_id, **_label_parts(run, labels), "state": record.state.value, "cause": record.cause}
        row |= {"epochs_done": record.epochs_done, "best_epoch": record.best_epoch, "seconds": last.get("seconds")}
        if not is_finished(record) and epochs:
            row["epochs_done"] = max(record.epochs_done, last.get("epoch", 0.0))
        rows.append(row | {metric: record.metrics.get(metric) for metric in metrics})
    frame = _frame(rows, ["run_id", *labels, "state", "cause", *numbers])
    return frame.astype(dict.fromkeys(numbers, float))


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """A frame that keeps whole numbers whole, also where some are missing."""
    frame = pd.DataFrame(rows, columns=columns, dtype=object)
    whole = [column for column in columns if not any(is_missing(value) for value in frame[column])]
    for column in whole:
        frame[column] = frame[column].infer_objects()
    return frame
