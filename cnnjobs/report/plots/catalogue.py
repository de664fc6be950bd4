"""The figures of a report: which are drawn, and where they are kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from cnnjobs.disk.files import write_whole
from cnnjobs.figures.drawing.style import svg_and_png
from cnnjobs.report.analysis.best_so_far import BestSoFar
from cnnjobs.report.analysis.importance import Parameters
from cnnjobs.report.analysis.pairs import PairedResult
from cnnjobs.report.analysis.rates import changing_rates
from cnnjobs.report.plots import curves
from cnnjobs.report.plots.axes import Limits
from cnnjobs.report.plots.drawers import Drawers
from cnnjobs.report.plots.marginals import marginal
from cnnjobs.report.plots.metric_curves import curve_metrics, metric_figure, series_of
from cnnjobs.report.plots.parallel import parallel, parallel_lines
from cnnjobs.report.plots.search import search_figure
from cnnjobs.report.plots.throughput import speeds, throughput
from cnnjobs.report.results.histories import Quantity
from cnnjobs.report.results.table import Choice, Configuration, ResultsTable, Tell, tell_nobody
from cnnjobs.report.text import numbers
from cnnjobs.report.text.blocks import Picture
from cnnjobs.sweep.file import SweepRun
from cnnjobs.sweep.report_settings import FIGURES, ReportSettings

QUANTITIES: Final[tuple[Quantity, ...]] = ("loss", "accuracy")
_MOST_PARAMETERS: Final = 12


@dataclass(frozen=True)
class Drawings:
    """The figures of one report, each as SVG and PNG in `folder`: told one by one, drawn together by `drawing`."""

    table: ResultsTable
    folder: Path
    prefix: str = ""
    """In front of the ids within each drawing, where a page has drawings of several sweeps."""
    place: str = "figures"
    """The folder as it is called from the report's own."""
    tell: Tell = tell_nobody
    _tasks: dict[str, Callable[[], Figure]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The files of all figures that were told, without their suffixes."""
        return [*self._tasks]

    @property
    def _settings(self) -> ReportSettings:
        return self.table.sweep.report

    def wants(self, figure: str) -> bool:
        """Check whether the sweep file asks for this kind of figure; all of them where it names none."""
        return not self._settings.figures or figure in self._settings.figures

    def overview(self, ranked: Sequence[Choice]) -> list[Picture]:
        """The validation curves of all configurations, where there are several."""
        series = [(each.label, self.table.validation_curves(each.runs)) for each in self.table.ordered(ranked)]
        measured = [(label, histories) for label, histories in series if any(len(one.validation) for one in histories)]
        if len(measured) < 2 or not self.wants("overview"):
            return []
        return [
            self._keep(
                f"overview-{quantity}",
                partial(curves.overview, measured, quantity, self._limits("overview", quantity)),
                f"Validation {quantity} over epochs of {len(measured)} configurations",
            )
            for quantity in QUANTITIES
        ]

    def metrics(self, ranked: Sequence[Choice]) -> list[Picture]:
        """Metrics that programs have reported over their steps: a figure for each metric."""
        drawn: list[Picture] = []
        for metric in curve_metrics(self.table) if self.wants("curves") else ():
            series = series_of(self.table, self.table.ordered(ranked), metric)
            figure = partial(metric_figure, metric, series, self._settings.ylim.get("curves"))
            caption = f"Curves of {metric} over the steps of {numbers.counted(len(series), 'configuration')}"
            drawn.append(self._keep(_file_name("curves", len(drawn) + 1, metric, ""), figure, caption))
        return drawn

    def parameters(self, found: Parameters) -> list[Picture]:
        """Results by the values of each parameter, the most important first."""
        if not self.wants("parameters"):
            return self.parallel(found)
        drawn = self.parallel(found)
        quantity: Quantity = "accuracy" if numbers.is_share(found.metric) else "loss"
        for number in found.order[:_MOST_PARAMETERS]:
            factor, limits = found.factors[number], self._limits("parameters", quantity)
            name = _file_name("parameters", number + 1, factor.name, quantity)
            of = f"for each value of {factor.name}, over all other parameters"
            if len(found.factors) == 1:
                of = "of every variant" if factor.name == "variant" else f"for each value of {factor.name}"
            spread = ", mean ± standard deviation" if any(level.n > 1 for level in found.levels(factor)) else ""
            alt = f"{numbers.as_heading(found.metric)} {of}{spread}"
            drawn.append(self._keep(name, partial(marginal, found, factor, limits), alt))
        return drawn

    def parallel(self, found: Parameters) -> list[Picture]:
        """A line for each configuration, where there are several and they differ in several parameters."""
        if len(found.factors) < 2 or len(found.choices) < 3 or not self.wants("parallel"):
            return []
        caption = f"{len(found.choices):,} configurations: the values of their parameters, and what they reached"
        drawn = self._keep("parallel-all", partial(parallel, found), caption)
        return [replace(drawn, wide=True, lines=parallel_lines(found))]

    def configurations(self, ranked: Sequence[Choice]) -> list[Picture]:
        """Loss and accuracy of the best configurations, and of those that are not ranked yet: as many as are wanted."""
        if not self.wants("curves"):
            return []
        drawn: list[Picture] = []
        for configuration in self.table.ordered(ranked)[: self._settings.curves]:
            runs = configuration.runs
            number = self.table.configurations.index(configuration) + 1
            for quantity in QUANTITIES if self._measured(runs) else ():
                figure = partial(self._curves, configuration, quantity)
                caption = f"{quantity} of {configuration.label} over epochs: train, validation, test"
                drawn.append(self._keep(_file_name("curves", number, configuration.label, quantity), figure, caption))
        return drawn

    def rates(self, ranked: Sequence[Choice]) -> list[Picture]:
        """The learning rates that change."""
        found = changing_rates(self.table, self.table.ordered(ranked)) if self.wants("rates") else []
        if not found:
            return []
        return [self._keep("rates-all", partial(curves.rates, found), "Learning rate over epochs, at each validation")]

    def search(self, course: BestSoFar) -> list[Picture]:
        """The best of a search over what it has trained."""
        if not self.wants("search"):
            return []
        quantity: Quantity = "accuracy" if numbers.is_share(course.metric) else "loss"
        figure = partial(search_figure, course, self._limits("search", quantity))
        than = " and what random search would come to" if course.expected else ""
        caption = f"The best {numbers.metric_name(course.metric)} so far over {course.unit} spent{than}"
        return [self._keep("search-best", figure, caption)]

    def speed(self) -> list[Picture]:
        """Images per second, where the batch size differs."""
        found = speeds(self.table) if self.wants("speed") else {}
        if not found:
            return []
        caption = "Images per second in training over the batch size, medians over validations and runs"
        return [self._keep("speed-batch", partial(throughput, [*found.items()]), caption)]

    def pair(self, number: int, result: PairedResult) -> list[Picture]:
        """Before and after one change: train and validation of both in one graph."""
        if not (all(map(self._measured, (result.pair.before, result.pair.after))) and self.wants("compare")):
            return []
        if self.table.sweep.is_of_program:
            return self._pair_of_program(number, result)
        drawn: list[Picture] = []
        for quantity in QUANTITIES:
            figure = partial(self._before_after, result, quantity)
            caption = f"{quantity} before and after: train and validation"
            drawn.append(self._keep(_file_name("compare", number, result.pair.title, quantity), figure, caption))
        return drawn

    def _pair_of_program(self, number: int, result: PairedResult) -> list[Picture]:
        metric, pair = self.table.sweep.metric.name, result.pair
        sides = [Configuration("before", pair.before), Configuration("after", pair.after)]
        series = series_of(self.table, sides, metric)
        if metric not in curve_metrics(self.table) or len(series) < 2:
            return []
        figure = partial(metric_figure, metric, series, self._settings.ylim.get("compare"))
        return [
            self._keep(_file_name("compare", number, pair.title, ""), figure, f"Curves of {metric} before and after")
        ]

    def _measured(self, runs: Sequence[SweepRun]) -> bool:
        """Check whether one of these runs has curves."""
        return any(self.table.lines[run.run_id] for run in runs)

    def _curves(self, configuration: Configuration, quantity: Quantity) -> Figure:
        histories = self.table.curves(configuration.runs)
        return curves.training_curves(configuration.label, histories, quantity, self._limits("curves", quantity))

    def _before_after(self, result: PairedResult, quantity: Quantity) -> Figure:
        before, after = self.table.curves(result.pair.before), self.table.curves(result.pair.after)
        title = f"{result.pair.title}\n{result.differing}"
        return curves.before_after(title, before, after, quantity, self._limits("compare", quantity))

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """All figures that were told are drawn meanwhile, and are there at the end; those of earlier reports are not.

        Raises StorageError.
        """
        tasks = [partial(self._draw, name, figure) for name, figure in self._tasks.items()]
        drawers = Drawers(tasks)
        try:
            yield
            drawers.wait(lambda done: self.tell("drawing", done, len(tasks)))
        finally:
            drawers.close()
        self._remove_others()

    def _draw(self, name: str, figure: Callable[[], Figure]) -> None:
        svg, png = svg_and_png(figure())
        write_whole(self.folder / f"{name}.svg", svg.encode())
        write_whole(self.folder / f"{name}.png", png)

    def _remove_others(self) -> None:
        """Remove figures of an earlier report that this one no longer has."""
        for kind in FIGURES:
            for file in self.folder.glob(f"{kind}-*"):
                if file.suffix in (".svg", ".png") and file.stem not in self.names:
                    file.unlink(missing_ok=True)

    def _limits(self, figure: str, quantity: Quantity) -> Limits:
        """The `ylim` of a figure, or of all; a figure's bare name means its loss."""
        ylim = self._settings.ylim
        bare = ylim.get(figure) if quantity == "loss" else None
        return ylim.get(f"{figure}.{quantity}") or bare or ylim.get(quantity)

    def _keep(self, name: str, figure: Callable[[], Figure], caption: str) -> Picture:
        self._tasks[name] = figure
        if caption.split(" ", maxsplit=1)[0] not in self.table.metrics:
            caption = caption[:1].upper() + caption[1:]
        return Picture(f"{self.place}/{name}", caption, caption, self.prefix + name)


def _file_name(kind: str, number: int, label: str, quantity: str) -> str:
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", label)[:60].strip("-.")
    return "-".join(filter(None, (kind, f"{number:02}", slug, quantity)))
