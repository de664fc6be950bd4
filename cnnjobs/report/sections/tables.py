"""The tables that a report shows, as texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cnnjobs.config.kinds import AnyConfig
from cnnjobs.config.run import RunConfig
from cnnjobs.report.analysis.fitting import fit_of, fit_row
from cnnjobs.report.analysis.pairs import ENOUGH_SEEDS, PairedResult, by_gain
from cnnjobs.report.results.files import Grid
from cnnjobs.report.results.statistics import summarise
from cnnjobs.report.results.table import Choice, Configuration, ResultsTable
from cnnjobs.report.sections.summary import state_word
from cnnjobs.report.text import numbers
from cnnjobs.sweep.file import Metric, SweepRun

_MOST_KEYS = 6
_MOST_VALUES = 12


def results_grid(table: ResultsTable, ranked: Sequence[Choice]) -> Grid:
    """A row per configuration, the best first and those without a finished run last: mean ± sd of every metric."""
    columns, label = label_cells(table)
    rows = []
    for configuration in table.ordered(ranked):
        finished = len(table.finished(configuration.runs))
        metrics = [numbers.mean_and_sd(name, table.summary(configuration.runs, name)) for name in table.metrics]
        stopped = dict.fromkeys(filter(None, (table.stopped_at(run.run_id) for run in configuration.runs)))
        seeds = [f"{finished} of {len(configuration.runs)}"] if finished or not stopped else []
        seeds += [f"stopped at {place}" for place in stopped]
        rows.append((*label(configuration, configuration.runs[0]), ", ".join(seeds), *metrics))
    names = [numbers.metric_name(metric) for metric in table.metrics]
    return Grid((*columns, "seeds", *names), tuple(rows), labels=len(columns), marked=0 if ranked else None)


def runs_grid(table: ResultsTable) -> Grid:
    """A row per run, whatever became of it."""
    columns, label = label_cells(table)
    seconds = dict(zip(table.runs["run_id"], table.runs["seconds"], strict=True))
    is_program = table.sweep.is_of_program
    done = {} if is_program else dict(zip(table.runs["run_id"], table.runs["epochs_done"], strict=True))
    rows = []
    for configuration in table.configurations:
        for run in configuration.runs:
            record = table.records[run.run_id]
            best_epoch = numbers.NOTHING if record.best_epoch is None else f"{record.best_epoch:.4g}"
            metrics = [numbers.number(name, record.metrics.get(name)) for name in table.metrics]
            time = numbers.duration(seconds[run.run_id])
            stopped = table.stopped_at(run.run_id)
            state = f"stopped at {stopped}" if stopped else state_word(record.state)
            words = (*label(configuration, run), run.run_id, state)
            seed = numbers.NOTHING if run.config.seed is None else str(run.config.seed)
            epochs = () if is_program else (f"{done[run.run_id]:.4g} of {run.config.budget}", best_epoch)
            rows.append((*words, seed, *epochs, *metrics, time))
    names = [numbers.metric_name(metric) for metric in table.metrics]
    labels = len(columns) + 2
    columns += ["run", "state", "seed", *(() if is_program else ("epochs", "best epoch")), *names]
    columns.append("time" if is_program else "training time")
    return Grid(tuple(columns), tuple(rows), labels=labels)


def evaluations_grid(table: ResultsTable) -> Grid:
    """A row per configuration and evaluation that came after the runs' end: mean ± sd over the runs that have it."""
    columns, label = label_cells(table)
    rows = []
    for configuration in table.configurations:
        measured = [record.evaluations for record in table.finished(configuration.runs)]
        for name in dict.fromkeys(name for own in measured for name in own):
            having = [own[name] for own in measured if name in own]
            cells = [
                numbers.mean_and_sd(f"test.{metric}", summarise([each.metrics[metric] for each in having]))
                for metric in ("loss", "accuracy")
            ]
            images = numbers.listed([*dict.fromkeys(f"{each.num_images:,}" for each in having)])
            seeds = f"{len(having)} of {len(configuration.runs)}"
            rows.append((*label(configuration, configuration.runs[0]), name, seeds, *cells, images))
    return Grid((*columns, "measured on", "seeds", "loss", "accuracy", "images"), tuple(rows), labels=len(columns) + 1)


def fitting_grid(table: ResultsTable, ranked: Sequence[Choice]) -> Grid:
    """A row per configuration with a finished run, the best first: how training and validation part."""
    columns, label = label_cells(table)
    rows = []
    for choice in ranked:
        fit = fit_of(table, choice.configuration)
        if fit is not None:
            *cells, verdict = fit_row(fit)
            rows.append((*label(choice.configuration, choice.configuration.runs[0]), verdict, *cells))
    names = ("gap of accuracy", "rise after minimum", "slope at the end")
    return Grid((*columns, "verdict", *names), tuple(rows), labels=len(columns) + 1)


def unfinished_grid(table: ResultsTable) -> Grid:
    """Every run without a result, and why."""
    columns, label = label_cells(table)
    rows = []
    for configuration in table.configurations:
        for run in configuration.runs:
            record = table.records[run.run_id]
            if not record.state.has_passed:
                cause = record.cause or ""
                rows.append(
                    (*label(configuration, run), str(run.config.seed), state_word(record.state), cause, run.run_id)
                )
    columns += ["seed", "state", "cause", "run"]
    return Grid(tuple(columns), tuple(rows), labels=len(columns))


def causes_grid(table: ResultsTable) -> Grid:
    """Number of runs without a result by state and cause, the most first."""
    records = [record for record in table.records.values() if not record.state.has_passed]
    counts = Counter((state_word(record.state), record.cause or "") for record in records)
    rows = tuple((state, cause, f"{count:,}") for (state, cause), count in counts.most_common())
    return Grid(("state", "cause", "runs"), rows, labels=2)


def label_cells(table: ResultsTable) -> tuple[list[str], Callable[[Configuration, SweepRun], tuple[str, ...]]]:
    """The columns that tell configurations apart, and their cells: the keys that differ where these are few."""
    keys = table.label_keys
    if not keys or len(keys) > _MOST_KEYS or "variant" in keys:
        return ["configuration"], lambda configuration, _: (configuration.label,)

    def cells(_: Configuration, run: SweepRun) -> tuple[str, ...]:
        return tuple(numbers.brief(run.overrides[key]) if key in run.overrides else "" for key in keys)

    return list(keys), cells


def pair_grid(result: PairedResult) -> Grid:
    """All metrics before and after, and their differences within each seed."""
    rows = []
    for each in result.differences:
        if not each.change.n:
            continue
        before, after = (numbers.mean_and_sd(each.metric, side) for side in (each.before, each.after))
        change = numbers.change(each.metric, each.change.mean) if each.change.n else numbers.NOTHING
        rows.append(
            (numbers.metric_name(each.metric), before, after, change, numbers.interval(each.metric, each.change))
        )
    return Grid(("metric", "before", "after", "difference", "95 % interval"), tuple(rows))


def changes_grid(results: Sequence[PairedResult], metric: Metric) -> Grid:
    """All changes that were compared, what helped most first."""
    rows = []
    for result in by_gain(results, metric):
        word = result.verdict.partition(":")[0]
        chosen, tested = (_change(result, name) for name in (metric.name, "test.accuracy"))
        p = numbers.NOTHING if len(result.of_seeds) < ENOUGH_SEEDS else f"{result.p:.2g}"
        rows.append((result.pair.title, result.differing, word, *chosen, p, *tested))
    unit = ", points" if numbers.is_share(metric.name) else ""
    names = (
        f"{numbers.metric_name(metric.name)}{unit}",
        "95 % interval",
        "p",
        "test accuracy, points",
        "95 % interval",
    )
    return Grid(("change", "what differs", "verdict", *names), tuple(rows), labels=3)


def _change(result: PairedResult, metric: str) -> tuple[str, str]:
    """A mean difference and its interval, without their unit."""
    change = result.change(metric)
    told = numbers.change(metric, change.mean) if change.n else numbers.NOTHING, numbers.interval(metric, change)
    return told[0].removesuffix(" points"), told[1].removesuffix(" points")


def images_grid(result: PairedResult) -> Grid:
    """The networks of each seed on the same test images."""
    rows = [
        (f"{seed}", f"{test.only_before:,}", f"{test.only_after:,}", f"{test.p:.2g}") for seed, test in result.images
    ]
    return Grid(("seed", "right before only", "right after only", "exact McNemar p"), tuple(rows))


def called(config: AnyConfig) -> list[tuple[str, str]]:
    """The program that all runs call, and how; nothing where they train a network."""
    if isinstance(config, RunConfig):
        return []
    return [("program", config.program or numbers.NOTHING), ("command", " ".join(map(str, config.command)))]


def settings_grids(table: ResultsTable) -> tuple[Grid, Grid]:
    """Settings that differ between the runs with all their values, and those they share."""
    flats = [run.config.flat() for run in table.sweep.runs]
    values: dict[str, dict[str, Any]] = {}
    having: dict[str, int] = {}
    for flat in flats:
        for key, value in flat.items():
            values.setdefault(key, {})[numbers.value_text(value)] = value
            having[key] = having.get(key, 0) + 1
    varying = [(key, _values(seen)) for key, seen in sorted(values.items()) if len(seen) > 1]
    shared = called(table.sweep.runs[0].config)
    for key, seen in values.items():
        if len(seen) == 1:
            some = "" if having[key] == len(flats) else f" ({having[key]} of {len(flats)} runs)"
            shared.append((key, f"{next(iter(seen))}{some}"))
    return Grid(("key", "values"), tuple(varying), labels=2), Grid(("key", "value"), tuple(shared), labels=2)


def choices_grid(table: ResultsTable) -> Grid:
    """Where labels do not say it: what each configuration sets otherwise than the first one."""
    if label_cells(table)[0] != ["configuration"]:
        return Grid(("configuration", "its settings"), (), labels=2)
    first = table.configurations[0].runs[0].overrides
    rows = []
    for configuration in table.configurations:
        own = {key: value for key, value in configuration.runs[0].overrides.items() if key != "seed"}
        others = [f"{key}: {numbers.value_text(own[key])}" for key in own if key not in first or own[key] != first[key]]
        rows.append(
            (configuration.label, "; ".join(others or [f"{k}: {numbers.value_text(v)}" for k, v in own.items()]))
        )
    return Grid(("configuration", "its settings"), tuple(rows), labels=2)


def _values(seen: Mapping[str, Any]) -> str:
    """All values, or how many and their range."""
    if len(seen) <= _MOST_VALUES:
        return ", ".join(seen)
    if all(isinstance(value, int | float) for value in seen.values()):
        return f"{len(seen)} values from {numbers.brief(min(seen.values()))} to {numbers.brief(max(seen.values()))}"
    return f"{len(seen)} values: {', '.join([*seen][:_MOST_VALUES])}, …"


def environment_grid(table: ResultsTable) -> Grid:
    """Code, versions, machines and data, each with every value that occurs."""
    records = list(table.records.values())
    attempts = [attempt for record in records for attempt in record.attempts]
    rows: list[tuple[str, list[str]]] = [("code", [_commit(record.git_commit, record.git_dirty) for record in records])]
    rows.append(("copy of own code", [record.code or "" for record in records]))
    packages = dict.fromkeys(name for record in records for name in record.versions)
    rows += [(name, [record.versions.get(name, "") for record in records]) for name in packages]
    rows.append(("device", [attempt.device for attempt in attempts]))
    rows.append(("host", [attempt.host for attempt in attempts]))
    rows.append(("threads of a run", [str(attempt.threads) for attempt in attempts]))
    rows.append(("images", [_images(record.num_images) for record in records]))
    rows.append(("data (SHA-256)", [(record.data_sha256 or "")[:16] for record in records]))
    rows.append(("classes", [", ".join(record.classes) for record in records]))
    told = [(name, "; ".join(dict.fromkeys(filter(None, values)))) for name, values in rows]
    return Grid(("what", "value"), tuple(row for row in told if row[1]), labels=2)


def _commit(commit: str | None, dirty: bool | None) -> str:
    return "" if commit is None else f"git {commit[:12]}{' with uncommitted changes' if dirty else ''}"


def _images(counts: dict[str, int]) -> str:
    return numbers.listed([f"{count:,} {name}" for name, count in counts.items()])
