"""Section of a search: bands, who was stopped at which, what was proposed, and how far early values tell the end."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from typing import Final

import numpy as np

from cnnjobs.disk.record import RunState
from cnnjobs.errors import InputError
from cnnjobs.report.results.files import Grid
from cnnjobs.report.results.table import ResultsTable
from cnnjobs.report.sections.tables import label_cells
from cnnjobs.report.text import numbers
from cnnjobs.report.text.blocks import Block, Details, Span, Table, paragraph
from cnnjobs.search.early_stopping import EarlyStopping
from cnnjobs.search.folder import ProposingRule, SearchFolder, Stopping
from cnnjobs.status.search.decisions import BandStatus, bands_of

ENOUGH: Final = 5
LEAST: Final = 0.6
_BANDS: Final = (
    "Configurations are judged after so many reported values of {metric}, {judged}; worse than the best 1/{eta:g} of "
    "all values there, a configuration is stopped. Threshold: the last one. What was stopped counts with its epochs, "
    "and with the value that it had."
)
_RANKS: Final = (
    "Of the {n} configurations that went on to their end, values at iteration {band} and final values have a rank "
    "correlation of {rho:.2f} (Spearman): below {least}, early values say little of the end; a later first band "
    "(min_iter) stops fewer of those that would have become good."
)


def search(table: ResultsTable) -> Iterator[Block]:
    """Decisions of the search; nothing for a sweep without one."""
    try:
        folder, early = SearchFolder(table.store), EarlyStopping.of(table.store)
        proposing, stopping = folder.read_proposing(), early.stopping() if early else None
        bands = bands_of(folder.verdicts())
    except InputError as error:
        yield paragraph(Span(f"Not told: {error}.", "bad"))
        return
    if proposing is not None:
        yield paragraph(_proposals(folder, proposing))
    if stopping is None:
        return
    judged = "each alone against those before it" if stopping.rule.order == "wandb" else "in blocks"
    metric = numbers.metric_name(stopping.rule.metric)
    yield paragraph(_BANDS.format(metric=metric, judged=judged, eta=stopping.rule.eta))
    if bands:
        yield Table(bands_grid(table, stopping, bands), "Bands of early stopping", "bands")
    for band in bands:
        rho, number = rank_correlation(table, stopping, band.band)
        if rho is not None and rho < LEAST:
            yield paragraph(Span(_RANKS.format(n=number, band=band.band, rho=rho, least=LEAST), "bad"))
    stopped = stopped_grid(table, stopping)
    if stopped.rows:
        title = f"Configurations that were stopped early ({len(stopped.rows):,} runs)"
        yield Details(title, (Table(stopped, "Runs that were stopped early", "stopped", sortable=True),))


def _proposals(folder: SearchFolder, rule: ProposingRule) -> str:
    made = [each for each in folder.look_at_proposals(len(rule.first), []) if each.ended is None]
    engines = ", ".join(sorted({each.engine for each in made})) or rule.engine
    told = f"{len(rule.first)} configurations were drawn at random, {len(made)} proposed by {engines}, each from the "
    return f"{told}results of those that are {rule.lag} behind it; at most {rule.most} were asked for."


def bands_grid(table: ResultsTable, stopping: Stopping, bands: tuple[BandStatus, ...]) -> Grid:
    """A row for each band: its place, and how many configurations were judged, stopped and kept."""
    rows = []
    for band in bands:
        threshold = "" if band.threshold is None else numbers.number(stopping.rule.metric, band.threshold)
        epoch = _epoch(table, stopping, band.band)
        counts = map(str, (band.judged, band.stopped, band.kept))
        rows.append((str(band.band), "" if epoch is None else f"{epoch:g}", *counts, threshold))
    return Grid(("iteration", "epoch", "judged", "stopped", "kept", "threshold"), tuple(rows), labels=1)


def stopped_grid(table: ResultsTable, stopping: Stopping) -> Grid:
    """Every run that was stopped early, with where and with what."""
    columns, label = label_cells(table)
    metric, rows = stopping.rule.metric, []
    for configuration in table.configurations:
        for run in configuration.runs:
            record = table.records[run.run_id]
            if record.state is not RunState.STOPPED:
                continue
            reached = len(stopping.rule.reported(table.lines[run.run_id]))
            value = numbers.number(metric, record.metrics[metric]) if metric in record.metrics else ""
            cells = (str(run.config.seed), str(reached), f"{record.epochs_done:g}", value)
            rows.append((*label(configuration, run), *cells))
    names = (*columns, "seed", "iterations", "epochs", numbers.metric_name(metric))
    return Grid(names, tuple(rows), labels=len(columns))


def rank_correlation(table: ResultsTable, stopping: Stopping, band: int) -> tuple[float | None, int]:
    """Spearman's, of the values at a band and the final ones, over configurations that finished; None for too few."""
    early, final = [], []
    for configuration in table.configurations:
        lines = [stopping.rule.reported(table.lines[run.run_id]) for run in configuration.runs]
        values = table.values(configuration.runs, stopping.rule.metric)
        if values and all(len(each) > band for each in lines):
            early.append(fmean(each[band - 1] for each in lines))
            final.append(fmean(values))
    if len(final) < ENOUGH or len({*early}) < 2 or len({*final}) < 2:
        return None, len(final)
    return float(np.corrcoef([_ranks(early), _ranks(final)])[0, 1]), len(final)


def _ranks(values: list[float]) -> list[float]:
    """Ranks, equal values with the mean of theirs."""
    ordered = sorted(values)
    return [ordered.index(value) + (ordered.count(value) - 1) / 2 for value in values]


def _epoch(table: ResultsTable, stopping: Stopping, band: int) -> float | None:
    """Epoch of an iteration, where all runs report at the same ones."""
    found = set()
    for lines in table.lines.values():
        if len(stopping.rule.reported(lines)) >= band:
            found.add(lines[stopping.rule.iteration_line(lines, band) - 1].get("epoch"))
    return found.pop() if len(found) == 1 else None
