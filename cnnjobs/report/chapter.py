"""Chapter of one sweep, section by section."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Final

from cnnjobs.report.analysis import fitting
from cnnjobs.report.analysis.class_results import class_results, classes_grid
from cnnjobs.report.analysis.factorial import effects, effects_grid
from cnnjobs.report.analysis.importance import Parameters, parameters, parameters_grid
from cnnjobs.report.analysis.pairs import P_VALUE, PairedResult, by_gain, multiplicity, paired_result
from cnnjobs.report.plots.catalogue import Drawings
from cnnjobs.report.results.table import Choice, ResultsTable
from cnnjobs.report.sections import runs, summary, tables
from cnnjobs.report.sections.architectures import architectures
from cnnjobs.report.sections.codes import remarks_on_code
from cnnjobs.report.sections.figures import learned
from cnnjobs.report.sections.programs import REPORTED, nothing_best, reported
from cnnjobs.report.sections.reached import targets, targets_grid
from cnnjobs.report.sections.search import search
from cnnjobs.report.text import numbers
from cnnjobs.report.text.blocks import (
    Block,
    Chapter,
    Details,
    Numbers,
    Picture,
    Pictures,
    Section,
    Span,
    Table,
    Tone,
    paragraph,
)
from cnnjobs.report.text.notes import task

_RESULTS: Final = (
    "A row per configuration, the best by {metric} first. {spread}; losses and accuracies over whole splits, with the "
    "weights of the {weights} of each run."
)
_SPREAD: Final = "Mean ± standard deviation over the seeds that finished"
_NO_SPREAD: Final = "One seed each: how much they would differ by chance is not known"
_LINES: Final = (
    "Lines are means over seeds; the band is ± 1 standard deviation over them, or, with one seed, of the training loss "
    "over the steps of each window."
)
_ONE_LINE: Final = (
    "Lines are those of one seed; the band is ± 1 standard deviation of the training loss over the steps of a window."
)
_COMPARE: Final = (
    "Differences are taken within each seed, after − before. The interval is Student's t for their mean. McNemar's "
    "test compares two trained networks; it says nothing of other seeds."
)
_CURVES: Final = (
    "{lines} Training is measured as the network is trained, with its augmentation and dropout; "
    "validation and test over whole splits. The test point stands at the epoch whose weights it is measured with. Thin "
    "lines: runs that did not finish{early}{others}."
)
_NOT_ALL: Final = (
    "Of {count} configurations the best {best} drawn one by one; history.csv has all. `report: {{curves: all}}` in the "
    "sweep file, or `cnnjobs report --curves all`, draws each."
)
_FITTING: Final = (
    "Means over the seeds that finished. Gap: training − validation accuracy, both over whole splits with the best "
    "weights. Rise: of the validation loss, from its lowest to its last value. Slope: of the validation loss an epoch, "
    "over the last third of its values; both as shares of the lowest. Strong overfitting: a gap above {wide} points, "
    "or above {gap} points with a rise above {rise} %. Some overfitting: a gap above {gap} points, or such a rise. "
    "Underfitting: none of these, the lowest value in the last third, and a fall there of more than {fall} % an epoch "
    "(some) or {steep} % (strong)."
)
_POINTS: Final = (
    "Points are configurations, means over their seeds; with bars, mean ± standard deviation over the configurations "
    "that have the value, or over the seeds of the only one."
)
_EFFECTS: Final = (
    "Main effects: the mean with the second value minus that with the first, over all values of the others. An "
    "interaction is half of how much more one parameter changes where the other has its second value; 0 where they "
    "only add up. Differences are taken within each seed; the interval is Student's t over the seeds."
)
_IMPORTANCE: Final = (
    "Importance is PED-ANOVA's: how far the values of the best tenth of the configurations lie from those of all, as "
    "shares; where it is small, chance may be all of it. "
)
_MAY_BE_OTHERS: Final = " As not all of these differ in the same ways, other parameters may be what tells them apart."
_TARGETS: Final = (
    "Consistently: every seed reaches it, and so does the lower end of the 95 % interval (Wilson's) of the weakest "
    "seed's share of images."
)
_SCORES: Final = (
    "Of the configuration that was chosen, {}, on the test images; mean ± standard deviation over its seeds. "
    "Precision: how many of the images that are taken for a class are of it. Recall: how many of its images are "
    "recognised. F1: their harmonic mean. A value without ± comes from the only seed that has it."
)


def chapter(table: ResultsTable, ranked: list[Choice], drawings: Drawings) -> Chapter:
    """All that is known of a sweep but the author's notes; its figures are drawn on the way. Raises StorageError."""
    pairs = [paired_result(pair, table) for pair in table.sweep.pairs]
    is_program = table.sweep.is_of_program
    read = {
        "parameters": tuple(_parameters(table, ranked, drawings)),
        "compare": tuple(_compare(table, pairs, drawings)),
        "search": tuple(search(table, drawings)),
        "curves": tuple(reported(ranked, drawings) if is_program else _curves(table, ranked, drawings)),
    }
    speed = drawings.speed()
    with drawings.drawing():
        networks = architectures(table)
        parts: dict[str, Iterator[Block]] = {
            "results": _results(table, ranked),
            "changes": _changes(table, pairs),
            "fitting": _fitting(table, ranked),
            "scores": _scores(table, ranked),
            "learned": learned(table, networks, drawings),
            "unfinished": runs.unfinished(table),
            "configuration": runs.configuration(table, ranked),
            "networks": runs.networks(networks, ranked),
            "cost": chain(runs.cost(table, ranked), _pictures(speed)),
            "environment": runs.environment(table),
        }
        read |= {id_: tuple(blocks) for id_, blocks in parts.items()}
    titles = table.sweep.report.sections
    sections = [Section(title, read[id_], id_, task(id_, title)) for id_, title in titles.items() if read.get(id_)]
    state_of = summary.state_of(table)
    progress = summary.progress(table) + (f" · state of {state_of}" if state_of else "")
    verdict = tuple(_verdict(table, ranked))
    return Chapter(table.sweep.name, table.sweep.description, progress, verdict, tuple(sections))


def _verdict(table: ResultsTable, ranked: list[Choice]) -> Iterator[Block]:
    """Verdict, which is read first."""
    best = summary.best(table, ranked)
    if best is None:
        yield paragraph(Span(nothing_best(table), "strong"))
    else:
        chosen = "The one configuration" if len(table.configurations) == 1 else f"Best by {best.chosen_by}"
        so_far = "" if summary.is_complete(table) else " so far"
        yield paragraph(f"{chosen}{so_far}: ", Span(best.label, "strong"))
        test = () if table.sweep.is_of_program else (("test accuracy of this configuration", best.test),)
        yield Numbers(((best.chosen_by, best.chosen), *test, (best.spread, best.seeds)))
    tones: dict[str, Tone] = {"reached": "good", "missed": "bad"}
    for target in targets(table, ranked):
        told = Span(target.verdict, tones.get(target.verdict, ""))
        yield paragraph(f"Target {target.text}: ", told, Span(f" {target.detail}" if target.detail else "", "faint"))
    open_, every = len(tables.unfinished_grid(table).rows), len(table.records)
    if open_:
        said = f"{open_} of {every} runs {'has' if open_ == 1 else 'have'} no result: "
        yield paragraph(Span(said, "bad"), Span("see which and why", target="unfinished"))


def _results(table: ResultsTable, ranked: list[Choice]) -> Iterator[Block]:
    yield from (paragraph(Span(text, "bad")) for text in summary.other_data(table))
    weights = "lowest validation loss" if table.has_validation else "last epoch"
    metric, spread = numbers.metric_name(table.sweep.metric.name), _SPREAD if table.several_seeds else _NO_SPREAD
    told = REPORTED if table.sweep.is_of_program else _RESULTS
    yield paragraph(told.format(metric=metric or "no metric", spread=spread, weights=weights))
    yield Table(tables.results_grid(table, ranked), "Results of every configuration", "results", sortable=True)
    for remark in remarks_on_code(table):
        yield paragraph(f"{remark}.")
    held = targets_grid(table, ranked)
    if held.rows:
        yield Table(held, "Targets: which configurations reach them", "targets", sortable=True)
        yield paragraph(_TARGETS, faint=True)
    every = tables.runs_grid(table)
    yield Details(f"Every run ({len(every.rows):,})", (Table(every, "Results of every run", "runs", sortable=True),))
    evaluations = tables.evaluations_grid(table)
    if evaluations.rows:
        yield paragraph(
            "Evaluated after training, with the same weights; nothing was trained or chosen by these numbers."
        )
        yield Table(evaluations, "Evaluations after training", "evaluations")


def _parameters(table: ResultsTable, ranked: list[Choice], drawings: Drawings) -> Iterator[Block]:
    found = parameters(table, ranked)
    grid = parameters_grid(found)
    # Of variants there is no more to tell than what stands in the results.
    named = [factor.name for factor in found.factors] == ["variant"] and found.shares is None
    if grid.rows:
        if not named:
            yield paragraph(_how_much(found))
            yield Table(grid, "What each parameter comes to", "parameters")
        yield from _effects(table, found)
        yield from _pictures(drawings.parameters(found))
        if not named:
            yield paragraph(_POINTS + ("" if found.shares else _MAY_BE_OTHERS), faint=True)


def _effects(table: ResultsTable, found: Parameters) -> Iterator[Block]:
    told = effects(table, found)
    if told:
        yield paragraph(_EFFECTS)
        yield Table(effects_grid(told, found.metric), "Main effects and interactions", "effects")


def _how_much(found: Parameters) -> str:
    """Meaning of the numbers of the table."""
    metric = numbers.metric_name(found.metric)
    if found.shares is None:
        return (
            "Shares of the variance are told for full grids with a common seed alone; here "
            f"{found.why_no_shares}. {_IMPORTANCE if found.weights else ''}"
            f"The rank correlation with {metric} is Spearman's."
        )
    seeds = found.shares.noise is not None
    if len(found.factors) == 1:
        return f"How much of the variance of {metric} the parameter explains (eta squared), and how much the seeds."
    return (
        f"How much of the variance of {metric} over all {len(found.choices)} configurations"
        f"{' and their seeds' if seeds else ''} each parameter explains by itself, over all values of the others: eta "
        "squared, exact as every value was combined with every other. Interactions are what combinations do beyond that"
        f"{', seeds what runs differ in that have the same configuration' if seeds else ''}."
    )


def _changes(table: ResultsTable, pairs: list[PairedResult]) -> Iterator[Block]:
    """All changes side by side."""
    if len(pairs) > 1:
        metric = table.sweep.metric
        by = numbers.metric_name(metric.name)
        of = "means over seeds" if table.several_seeds else "those of one seed"
        yield paragraph(f"What helped most comes first, by {by}; the differences are {of}, after − before.")
        yield Table(tables.changes_grid(pairs, metric), "All changes", "changes", sortable=True)
        yield paragraph(f"{P_VALUE} {multiplicity(len(pairs))}", faint=True)


def _compare(table: ResultsTable, pairs: list[PairedResult], drawings: Drawings) -> Iterator[Block]:
    """Each change with its verdict, its curves and its numbers, what helped most first."""
    number_of = {id(result): number for number, result in enumerate(pairs, 1)}
    for result in by_gain(pairs, table.sweep.metric):
        number = number_of[id(result)]
        title, name = result.pair.title, f"compare-{number:02}"
        blocks: list[Block] = [paragraph(Span(result.differing, "code")), paragraph(result.verdict)]
        blocks += _pictures(drawings.pair(number, result))
        before_after = tables.pair_grid(result)
        if before_after.rows:
            blocks.append(Table(before_after, "Before and after, and the difference within each seed", name))
        images = tables.images_grid(result)
        if images.rows:
            blocks.append(paragraph("The two networks of each seed on the same test images:"))
            blocks.append(Table(images, "Image by image", f"{name}-images"))
        yield Section(title, tuple(blocks))
    if pairs:
        yield paragraph(_COMPARE, faint=True)


def _curves(table: ResultsTable, ranked: list[Choice], drawings: Drawings) -> Iterator[Block]:
    overview, curves = drawings.overview(ranked), drawings.configurations(ranked)
    several = table.several_seeds
    yield from _pictures(overview)
    if curves:
        lines, others = (_LINES, ", and what some seeds trained beyond the others") if several else (_ONE_LINE, "")
        early = " or were stopped early" if any(table.stopped_at(run.run_id) for run in table.sweep.runs) else ""
        yield paragraph(_CURVES.format(lines=lines, early=early, others=others))
        yield from _pictures(curves)
    yield from _pictures(drawings.rates(ranked))
    count, most = len(table.configurations), table.sweep.report.curves
    if (overview or curves) and most is not None and count > most and drawings.wants("curves"):
        best = "one is" if most == 1 else f"{most:,} are"
        yield paragraph(_NOT_ALL.format(count=f"{count:,}", best=best), faint=True)


def _fitting(table: ResultsTable, ranked: list[Choice]) -> Iterator[Block]:
    grid = tables.fitting_grid(table, ranked)
    if grid.rows:
        yield Table(grid, "Over- or underfitting of every configuration", "fitting", sortable=True)
        limits = {"wide": fitting.WIDE_GAP, "gap": fitting.GAP, "rise": fitting.RISE, "fall": fitting.FALL}
        limits["steep"] = fitting.STEEP_FALL
        yield paragraph(_FITTING.format(**{name: f"{100 * each:g}" for name, each in limits.items()}), faint=True)


def _scores(table: ResultsTable, ranked: list[Choice]) -> Iterator[Block]:
    found = class_results(table, ranked[0]) if ranked else None
    if found is not None:
        yield paragraph(_SCORES.format(found.label))
        yield Table(classes_grid(found), f"Scores of each class: {found.label}", "classes", sortable=True)
        yield from (paragraph(text) for text in (found.confused, found.left_out) if text)


def _pictures(drawn: list[Picture]) -> Iterator[Pictures]:
    if drawn:
        yield Pictures(tuple(drawn))
