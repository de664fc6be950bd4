"""A sweep's results in Python: tidy tables, and the figures of its report as functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import pandas as pd
from matplotlib.figure import Figure

from cnnjobs.disk.run_folder import RunStore
from cnnjobs.errors import InputError, UnknownNameError, suggest
from cnnjobs.figures.drawing.style import png_bytes
from cnnjobs.report.analysis.importance import Parameters, parameters
from cnnjobs.report.analysis.pairs import paired_result
from cnnjobs.report.plots import curves
from cnnjobs.report.plots.marginals import marginal
from cnnjobs.report.plots.parallel import parallel
from cnnjobs.report.results.histories import Quantity
from cnnjobs.report.results.table import Choice, ResultsTable
from cnnjobs.status.sweeps import OpenSweep, with_known_runs
from cnnjobs.sweep.file import read_sweep
from cnnjobs.system import own_modules

Each = TypeVar("Each")


@dataclass(frozen=True, eq=False)
class SweepResults:
    """Results of a sweep, as they were when loaded.

    Accuracies are fractions in [0, 1]. Figures are matplotlib's; they belong to nobody and are shown by a notebook as
    they are. A configuration is called by its label, a pair by its title.
    """

    table: ResultsTable

    def __repr__(self) -> str:
        runs, finished = self.runs, (self.runs["state"] == "finished").sum()
        return f"SweepResults({self.name!r}: {finished} of {len(runs)} runs finished)"

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.table.sweep.name

    @property
    def metric(self) -> str:
        """Metric that the best configuration is chosen by."""
        return self.table.sweep.metric.name

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row per run, whatever became of it: its settings, seed, state and final metrics."""
        return self.table.runs

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row per validation of every run, with the settings of the run: epoch, losses, accuracies, lr, seconds."""
        settings = ["run_id", *self.table.label_keys, "seed"]
        history = self.table.history
        # A setting that is measured as well, as lr is, stays what was measured.
        known = [key for key in settings if key == "run_id" or key not in history.columns]
        labels = [(run.run_id, each.label) for each in self.table.configurations for run in each.runs]
        named = self.runs[known].merge(pd.DataFrame(labels, columns=["run_id", "configuration"]), on="run_id")
        return named.merge(history, on="run_id", how="inner")

    @cached_property
    def configurations(self) -> pd.DataFrame:
        """A row per configuration, the best first: mean, sd (n − 1) and n of every metric over its finished seeds."""
        frame = self.table.aggregate()
        order = {choice.configuration.label: place for place, choice in enumerate(self._ranked)}
        places = frame["configuration"].map(order).fillna(len(order))
        return frame.iloc[places.argsort(kind="stable")].reset_index(drop=True)

    @property
    def best(self) -> str | None:
        """The label of the best configuration by its mean metric on validation; None while no run has finished."""
        return self._ranked[0].configuration.label if self._ranked else None

    @cached_property
    def importance(self) -> pd.Series[float]:
        """The share of each parameter in the variance of the metric, of interactions and of seeds.

        Where not every value was combined with every other, the importance of PED-ANOVA, given 50 configurations.
        Raises InputError where neither can be told, and says why.
        """
        found = self._parameters
        if found.weights is not None:
            weights = {found.factors[number].name: found.weights[number] for number in found.order}
            return pd.Series(weights, name="importance (PED-ANOVA)")
        if found.shares is None:
            raise InputError(f"{self.name}: no shares of the variance: {found.why_no_shares}")
        shares = {found.factors[number].name: found.shares.factors[number] for number in found.order}
        if len(found.factors) > 1:
            shares["interactions"] = found.shares.interactions
        if found.shares.noise is not None:
            shares["seeds"] = found.shares.noise
        return pd.Series(shares, name="share of the variance")

    def overview(self, quantity: Quantity = "accuracy") -> Figure:
        """The validation curve of every configuration, the best ones in colour."""
        series = [(each.label, self.table.validation_curves(each.runs)) for each in self.table.ordered(self._ranked)]
        measured = [each for each in series if any(len(history.validation) for history in each[1])]
        if not measured:
            raise InputError(f"{self.name}: no run has been validated: there is no curve to draw")
        return _shown(curves.overview(measured, quantity))

    def curves(self, configuration: str | None = None, quantity: Quantity = "loss") -> Figure:
        """Training and validation of a configuration, of the best one where none is named, with its test points."""
        label = configuration if configuration is not None else self.best
        if label is None:
            raise InputError(f"{self.name}: no run has finished; name a configuration")
        found = _named(label, self.table.configurations, [each.label for each in self.table.configurations])
        return _shown(curves.training_curves(label, self.table.curves(found.runs), quantity))

    def compare(self, title: str, quantity: Quantity = "loss") -> Figure:
        """Before and after a change that the sweep file compares, by its title."""
        pairs = self.table.sweep.pairs
        pair = _named(title, pairs, [each.title for each in pairs])
        above = f"{title}\n{paired_result(pair, self.table).differing}"
        before, after = self.table.curves(pair.before), self.table.curves(pair.after)
        return _shown(curves.before_after(above, before, after, quantity))

    def parallel(self) -> Figure:
        """A line for each configuration through its settings to what it reached."""
        self._check_parameters()
        return _shown(parallel(self._parameters))

    def marginal(self, parameter: str) -> Figure:
        """Mean result of each value of a parameter over all the others."""
        self._check_parameters()
        factors = self._parameters.factors
        return _shown(marginal(self._parameters, _named(parameter, factors, [each.name for each in factors])))

    @cached_property
    def _ranked(self) -> list[Choice]:
        return self.table.ranked()

    @cached_property
    def _parameters(self) -> Parameters:
        return parameters(self.table, self._ranked)

    def _check_parameters(self) -> None:
        if not self._parameters.factors:
            raise InputError(f"{self.name}: fewer than two configurations have finished that differ in anything")


def load(folder: Path) -> SweepResults:
    """The results in a folder that a launch has made, `results/<sweep>`. Raises InputError."""
    store = RunStore(folder)
    if not store.sweep_file.is_file():
        near = sorted(path.parent.name for path in folder.parent.glob("*/sweep.yaml"))
        there = f"; in {folder.parent} there {'is' if len(near) == 1 else 'are'} {', '.join(near)}" if near else ""
        raise InputError(f"{folder}: no sweep.yaml in it, so no sweep was started there{there}")
    with own_modules.used(store.codes.here(store.codes.latest())):
        sweep = replace(read_sweep(store.sweep_file), name=folder.resolve().name)
        opened = with_known_runs(OpenSweep(sweep, store, str(folder)))
    return SweepResults(ResultsTable.load(opened.sweep, store))


def _named(name: str, choices: Sequence[Each], names: Sequence[str]) -> Each:
    if name not in names:
        raise UnknownNameError(f"`{name}` is not there; {suggest(name, names)}")
    return choices[names.index(name)]


def _shown(figure: Figure) -> Figure:
    """A figure that a notebook shows without pyplot."""
    figure._repr_png_ = lambda: png_bytes(figure)  # type: ignore[attr-defined]
    return figure
