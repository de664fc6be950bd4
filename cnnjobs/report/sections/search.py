"""Section of a search: bands, who was stopped at which, what was proposed, and how far early values tell the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Final

import numpy as np

from cnnjobs.errors import InputError
from cnnjobs.report.analysis.best_so_far import ENOUGH, BestSoFar, best_so_far
from cnnjobs.report.plots.catalogue import Drawings
from cnnjobs.report.results.files import Grid
from cnnjobs.report.results.table import ResultsTable
from cnnjobs.report.sections.tables import label_cells
from cnnjobs.report.text import numbers
from cnnjobs.report.text.blocks import Block, Details, Pictures, Span, Table, paragraph
from cnnjobs.search.early_stopping import EarlyStopping
from cnnjobs.search.folder import ProposingRule, SearchFolder, Stopping
from cnnjobs.search.rule import Verdict, seen_at
from cnnjobs.status.search.decisions import BandStatus, bands_of

LEAST: Final = 0.6
_BANDS: Final = (
    "Configurations are judged after so many reported values of {metric}, {judged}; worse than the best 1/{eta:g} of "
    "all values there, a configuration is stopped. Threshold: the last one. What was stopped counts with its epochs, "
    "and with the value that it had."
)
_COURSE: Final = (
    "The best result (mean over seeds) of the configurations up to each, in the order of their indices, over the "
    "{unit} that all of them have trained. "
)
_RANDOM: Final = (
    "Random search: the expected best of as many draws, with replacement, as these {unit} allow where each "
    "configuration is trained to its end. Drawn are the final values of the {n} configurations {drawn}that finished"
    "{range}."
)
_RANGE: Final = (
    " (better edge: random search is flattered, for the worse ones were stopped), and with them the values that "
    "{stopped} others had when they were stopped (worse edge)"
)
_NO_RANDOM: Final = "No line for random search: it takes {enough} configurations {drawn}that finished."
_RANKS: Final = (
    "Of the {n} configurations that went on to their end, values at iteration {band} and final values have a rank "
    "correlation of {rho:.2f} (Spearman): below {least}, early values say little of the end; a later first band "
    "(min_iter) stops fewer of those that would have become good."
)


def search(table: ResultsTable, drawings: Drawings) -> Iterator[Block]:
    """Decisions of the search; nothing for a sweep without one."""
    try:
        folder, early = SearchFolder(table.store), EarlyStopping.of(table.store)
        proposing, stopping = folder.read_proposing(), early.stopping() if early else None
        verdicts = folder.verdicts()
        course = _best_so_far(table, stopping, proposing) if stopping or proposing else None
    except InputError as error:
        yield paragraph(Span(f"Not told: {error}.", "bad"))
        return
    if proposing is not None:
        yield paragraph(_proposals(folder, proposing))
    if stopping is not None:
        yield from _early_stopping(table, stopping, verdicts)
    if course is not None and (drawn := drawings.search(course)):
        yield Pictures(tuple(drawn))
        yield paragraph(_explained(course, proposing), faint=True)


def _early_stopping(table: ResultsTable, stopping: Stopping, verdicts: Sequence[Verdict]) -> Iterator[Block]:
    """Bands, a warning where early values say little, and who was stopped."""
    bands = bands_of(verdicts)
    judged = "each alone against those before it" if stopping.rule.order == "wandb" else "in blocks"
    metric = numbers.metric_name(stopping.rule.metric)
    yield paragraph(_BANDS.format(metric=metric, judged=judged, eta=stopping.rule.eta))
    if bands:
        yield Table(bands_grid(table, stopping, bands), "Bands of early stopping", "bands")
    else:
        yield paragraph("No configuration has been judged yet.")
    for band in bands:
        rho, number = rank_correlation(table, stopping, band.band)
        if rho is not None and rho < LEAST:
            yield paragraph(Span(_RANKS.format(n=number, band=band.band, rho=rho, least=LEAST), "bad"))
    stopped = stopped_grid(table, stopping, verdicts)
    if stopped.rows:
        title = f"Runs that were stopped early ({len(stopped.rows):,})"
        yield Details(title, (Table(stopped, "Runs that were stopped early", "stopped", sortable=True),))


def _best_so_far(table: ResultsTable, stopping: Stopping | None, proposing: ProposingRule | None) -> BestSoFar | None:
    """The course of the search. Raises InputError."""
    drawn = None if proposing is None else {run_id for each in proposing.first for run_id in each.configuration}
    places = {run.run_id: place for place, each in enumerate(table.configurations) for run in each.runs}
    if stopping is not None:
        places = stopping.places()

    def reported(run_id: str) -> int:
        if stopping is not None:
            return len(stopping.rule.reported(table.lines[run_id]))
        return sum(table.sweep.metric.name in line for line in table.lines[run_id])

    return best_so_far(table, places, drawn, reported)


def _explained(course: BestSoFar, proposing: ProposingRule | None) -> str:
    drawn = "drawn at random " if proposing is not None else ""
    told = _COURSE.format(unit=course.unit)
    if course.expected is None:
        return told + _NO_RANDOM.format(enough=ENOUGH, drawn=drawn)
    found = course.expected
    told_range = _RANGE.format(stopped=f"{found.stopped:,}") if found.worse else ""
    return told + _RANDOM.format(unit=course.unit, n=f"{found.n:,}", drawn=drawn, range=told_range)


def _proposals(folder: SearchFolder, rule: ProposingRule) -> str:
    made = [each for each in folder.look_at_proposals(len(rule.first), []) if each.ended is None]
    engines = ", ".join(sorted({each.engine for each in made})) or rule.engine
    told = f"{len(rule.first)} configurations were drawn at random, {len(made)} proposed by {engines}, each from the "
    return f"{told}results of those that are {rule.lag} behind it; at most {rule.most} were asked for."


def bands_grid(table: ResultsTable, stopping: Stopping, bands: tuple[BandStatus, ...]) -> Grid:
    """A row for each band: its place, and how many configurations were judged, stopped and kept."""
    epochs = [_epoch(table, stopping, band.band) for band in bands]
    tells_epochs = any(each is not None for each in epochs)
    rows = []
    for band, epoch in zip(bands, epochs, strict=True):
        threshold = "" if band.threshold is None else numbers.number(stopping.rule.metric, band.threshold)
        place = ("" if epoch is None else f"{epoch:g}",) if tells_epochs else ()
        counts = map(str, (band.judged, band.stopped, band.kept))
        rows.append((str(band.band), *place, *counts, threshold))
    epoch_name = ("epoch",) if tells_epochs else ()
    return Grid(("iteration", *epoch_name, "judged", "stopped", "kept", "threshold"), tuple(rows), labels=1)


def stopped_grid(table: ResultsTable, stopping: Stopping, verdicts: Sequence[Verdict]) -> Grid:
    """Every run that was stopped early, with where, its value there, and the one that it takes to go on."""
    columns, label = label_cells(table)
    metric, rows = stopping.rule.metric, []
    thresholds = {(each.band, index): each.threshold for each in verdicts for index in each.seen}
    places = stopping.places()
    for configuration in table.configurations:
        for run in configuration.runs:
            where = table.stopped_at(run.run_id)
            if not where:
                continue
            values = stopping.rule.reported(table.lines[run.run_id])
            threshold = thresholds.get((len(values), places.get(run.run_id, -1)))
            seed = numbers.NOTHING if run.config.seed is None else str(run.config.seed)
            told = [numbers.number(metric, each) for each in (values[-1] if values else None, threshold)]
            rows.append((*label(configuration, run), seed, str(len(values)), where, *told))
    names = (*columns, "seed", "iterations", "stopped at", numbers.metric_name(metric), "threshold")
    return Grid(names, tuple(rows), labels=len(columns))


def rank_correlation(table: ResultsTable, stopping: Stopping, band: int) -> tuple[float | None, int]:
    """Spearman's, of the values at a band and the final ones, over configurations that finished; None for too few."""
    early, final = [], []
    for configuration in table.configurations:
        finished = {
            record.run_id: stopping.rule.reported(table.lines[record.run_id])
            for record in table.finished(configuration.runs)
        }
        values = table.values(configuration.runs, stopping.rule.metric)
        seen = seen_at(stopping.rule, band, {run_id: each for run_id, each in finished.items() if len(each) > band})
        if values and seen is not None:
            early.append(seen.value if stopping.rule.strict else seen.best)
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
