"""One pair of axes over epochs, on which all curves are drawn alike."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from cnnjobs.disk.run_folder import RunState
from cnnjobs.figures.drawing.style import INK, PAPER, plain
from cnnjobs.report.results.histories import Band, Quantity, RunHistory, SetName, band

Limits = tuple[float, float] | None

# About as wide as half a page of print: letters keep their size there.
WIDTH: Final = 3.8
_HEIGHT: Final = 2.65
_LEGEND_LINE: Final = 0.19
_TITLE_LETTERS: Final = 38
_LABEL_LETTERS: Final = 48
_MOST_LINES: Final = 3
MOST_MARKERS: Final = 40
# What starts so many times as far away as it soon is would press all the rest to the edge.
_TALL: Final = 2.5
_LABELS: Final = {"loss": "Loss (mean per image)", "accuracy": "Accuracy (%)"}


@dataclass(frozen=True)
class Look:
    """Look of a curve: `windows` is the most points of a training curve, `shade` the strength of its band."""

    colour: str
    dashes: str = "-"
    marker: str = ""
    width: float = 1.6
    alpha: float = 1.0
    shade: float = 0.18
    tells_spread: bool = True
    windows: int = 120

    def line(self) -> dict[str, Any]:
        """Name in matplotlib."""
        return {
            "color": self.colour,
            "linestyle": self.dashes,
            "linewidth": self.width,
            "alpha": self.alpha,
            "markersize": 4,
        }

    def thin(self) -> Look:
        """The same for a run that does not count."""
        return replace(self, width=0.8, alpha=0.7 * self.alpha)


class Panel:
    """A figure with one pair of axes: epochs below, and steps above where all runs have as many in an epoch."""

    def __init__(self, title: str, quantity: Quantity, histories: Sequence[RunHistory]) -> None:
        self.figure = Figure(figsize=(WIDTH, _HEIGHT), layout="constrained")
        self.axes = self.figure.add_subplot()
        self.quantity = quantity
        self.handles: list[Line2D] = []
        self._bands: list[Band] = []
        self._points: list[float] = []
        self._single = False
        self.axes.set_title(_wrapped(title, _TITLE_LETTERS))
        self.axes.set_xlabel("Epochs")
        self.axes.set_ylabel(_LABELS[quantity])
        self.axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        if quantity == "accuracy":
            self.axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
        rates = {history.steps_per_epoch for history in histories}
        if len(rates) == 1:
            (rate,) = rates
            above = self.axes.secondary_xaxis(
                "top", functions=(partial(np.multiply, rate), partial(np.multiply, 1 / rate))
            )
            above.set_xlabel("Training steps")

    def curve(self, histories: Sequence[RunHistory], split: SetName, look: Look, label: str = "") -> None:
        """The mean of the finished runs with its band; unfinished ones, and what some did beyond the others, thinly."""
        finished = [history for history in histories if history.state is RunState.FINISHED]
        mean = band(finished, split, self.quantity, look.windows)
        if mean is not None:
            self._bands.append(mean)
            marker = look.marker if len(mean.epochs) <= MOST_MARKERS else ""
            self.axes.plot(mean.epochs, mean.mean, **look.line(), marker=marker)
            known = not np.isnan(mean.sd).all()
            if known and look.shade:
                low, high = mean.mean - mean.sd, mean.mean + mean.sd
                self.axes.fill_between(mean.epochs, low, high, color=look.colour, alpha=look.shade, linewidth=0)
            if label:
                # Of one run it is that over the steps of each window.
                spread = " ± 1 sd" if mean.n > 1 else " ± 1 sd of steps"
                self.name(label + spread * bool(known and look.tells_spread), look, marker)
        alone = [self._alone(history, split, look, mean) for history in histories]
        if label and mean is None and any(alone):
            early = all(history.state is RunState.STOPPED for history in histories)
            self.name(f"{label}, {'stopped early' if early else 'not finished'}", look.thin())

    def _alone(self, history: RunHistory, split: SetName, look: Look, mean: Band | None) -> bool:
        """One run's curve, from where the mean ends when the run is in it; whether it has one."""
        ends = None if mean is None or history.state is not RunState.FINISHED else mean.epochs
        if ends is not None and len(getattr(history, split)) == len(ends):
            return True
        own = band([history], split, self.quantity, look.windows)
        if own is None:
            return False
        first = 0
        if ends is not None:
            first = int(np.searchsorted(own.epochs, ends[-1]))
            if first >= len(own.epochs) - 1:
                return True
        rest = Band(1, own.epochs[first:], own.mean[first:], own.sd[first:])
        self._single |= mean is not None
        if mean is None or first:
            self._bands.append(rest)
        marker = "." if len(rest.epochs) == 1 else ""
        self.axes.plot(rest.epochs, rest.mean, **look.thin().line(), marker=marker)
        return True

    def points(self, epochs: Sequence[float], values: Sequence[float], colour: str, label: str) -> None:
        """Single points over the curves."""
        look: dict[str, Any] = {"color": colour, "marker": "D", "markersize": 6.5, "markeredgecolor": PAPER}
        self.axes.plot(epochs, values, zorder=5, linestyle="", **look)
        self._points += values
        self.handles.append(Line2D([], [], label=label, linestyle="", **look))

    def name(self, label: str, look: Look, marker: str = "") -> None:
        """Add a line to the legend."""
        self.handles.append(Line2D([], [], label=_wrapped(label, _LABEL_LETTERS), **look.line(), marker=marker))

    def finish(self, ylim: Limits, *, columns: int = 1) -> Figure:
        """The figure with its limits, and its legend in so many columns below, where it hides no curve."""
        self._limit(ylim)
        self.axes.set_xlim(left=0)
        if self._single:
            self.name("thin: one seed alone", Look(INK).thin())
        if self.handles:
            lines = sum(str(handle.get_label()).count("\n") + 1 for handle in self.handles)
            self.figure.set_figheight(_HEIGHT + _LEGEND_LINE * math.ceil(lines / columns))
            room: dict[str, Any] = {"fontsize": 8, "handlelength": 1.8, "columnspacing": 0.8, "handletextpad": 0.5}
            self.figure.legend(handles=self.handles, loc="outside lower left", ncols=columns, **room)
        return self.figure

    def _limit(self, ylim: Limits) -> None:
        """The limits asked for; else all curves of finished runs, without a start far from the rest."""
        if ylim is not None or not self._bands:
            self.axes.set_ylim(ylim)
            return
        lows = [np.nanmin([band.mean, band.mean - band.sd]) for band in self._bands]
        highs = [np.nanmax([band.mean, band.mean + band.sd]) for band in self._bands]
        bottom, top = min(lows + self._points), max(highs + self._points)
        note: dict[str, Any] = {"transform": self.axes.transAxes, "fontsize": 8, "color": INK}
        if self.quantity == "loss":
            later = max(float(np.max(band.mean[len(band.mean) // 20 :])) for band in self._bands)
            if top > _TALL * later:
                self.axes.text(0.12, 0.97, f"starts near {top:.3g}", va="top", **note)
                top = 1.4 * later
        else:
            later = min(float(np.min(band.mean[len(band.mean) // 20 :])) for band in self._bands)
            if top - bottom > _TALL * (top - later):
                self.axes.text(0.12, 0.03, f"starts near {100 * bottom:.3g} %", **note)
                bottom = top - 1.4 * (top - later)
        margin = 0.05 * (top - bottom) or 0.05
        self.axes.set_ylim(max(bottom - margin, 0.0), top + margin)


def _wrapped(text: str, letters: int) -> str:
    """A user's text on lines of so many letters; a leading underscore would hide it from the legend."""
    lines = [part for line in text.split("\n") for part in textwrap.wrap(plain(line), letters)]
    shown = lines if len(lines) <= _MOST_LINES else [*lines[: _MOST_LINES - 1], f"{lines[_MOST_LINES - 1]} …"]
    return "\n".join(f" {line}" if line.startswith("_") else line for line in shown)
