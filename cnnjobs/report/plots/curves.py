"""Loss and accuracy over training as figures: data in, figure out; nothing is saved here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from matplotlib.figure import Figure

from cnnjobs.disk.run_folder import RunState
from cnnjobs.figures.drawing.style import INK, SERIES_COLOURS, SIDE_COLOURS, SPLIT_COLOURS, style
from cnnjobs.report.plots.axes import MOST_MARKERS, Limits, Look, Panel
from cnnjobs.report.results.histories import Quantity, RunHistory, SetName

_SPLITS: Final[tuple[SetName, ...]] = ("train", "validation")
_DASHES: Final[dict[SetName, str]] = {"train": "-", "validation": "--"}
_SPLIT_MARKERS: Final[dict[SetName, str]] = {"train": "", "validation": "o"}
_SERIES_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "p")
_COMPARED_WINDOWS: Final = 80


def training_curves(title: str, histories: Sequence[RunHistory], quantity: Quantity, ylim: Limits = None) -> Figure:
    """One configuration: train and validation with bands; test as a point at the epoch whose weights it is of."""
    with style():
        panel = Panel(title, quantity, histories)
        for split in _SPLITS:
            panel.curve(histories, split, Look(SPLIT_COLOURS[split], _DASHES[split], _SPLIT_MARKERS[split]), split)
        tested = [
            (history.best_epoch, history.test[quantity])
            for history in histories
            if history.best_epoch is not None and quantity in history.test
        ]
        if tested:
            epochs, values = zip(*tested, strict=True)
            panel.points(epochs, values, SPLIT_COLOURS["test"], "test")
        return panel.finish(ylim, columns=3)


def before_after(
    title: str,
    before: Sequence[RunHistory],
    after: Sequence[RunHistory],
    quantity: Quantity,
    ylim: Limits = None,
) -> Figure:
    """A change in one graph: train and validation before and after; the colour is the side, the line is the set."""
    with style():
        panel = Panel(title, quantity, [*before, *after])
        for side, histories in (("before", before), ("after", after)):
            for split in _SPLITS:
                look = Look(SIDE_COLOURS[side], _DASHES[split], _SPLIT_MARKERS[split], windows=_COMPARED_WINDOWS)
                panel.curve(histories, split, look, f"{side}: {split}")
        return panel.finish(ylim, columns=2)


def rates(series: Sequence[tuple[str, Sequence[tuple[float, float]]]]) -> Figure:
    """Learning rates as (epoch, rate); the first ones in colours, the others in gray."""
    with style():
        panel = Panel("Learning rate", "loss", [])
        panel.axes.set_ylabel("Learning rate")
        for number, (label, points) in enumerate(series):
            epochs, values = zip(*points, strict=True)
            named = number < len(SERIES_COLOURS)
            look = Look(SERIES_COLOURS[number], marker=_SERIES_MARKERS[number]) if named else Look(INK, width=0.6)
            marker = look.marker if len(points) <= MOST_MARKERS else ""
            # What jumps has had its rate since the validation before.
            jumps = len(set(values)) <= len(values) / 2
            panel.axes.plot(epochs, values, **look.line(), marker=marker, drawstyle="steps-pre" if jumps else "default")
            if named:
                panel.name(label, look, marker)
        highest = max(value for _, points in series for _, value in points)
        if len(series) > len(SERIES_COLOURS):
            panel.name(f"{len(series) - len(SERIES_COLOURS)} more", Look(INK, width=0.6))
        return panel.finish((0, 1.05 * highest))


def overview(series: Sequence[tuple[str, Sequence[RunHistory]]], quantity: Quantity, ylim: Limits = None) -> Figure:
    """The validation curve of every configuration; the first ones in colours of their own, the others in gray."""
    with style():
        several = any(sum(each.state is RunState.FINISHED for each in own) > 1 for _, own in series)
        title = f"Validation {quantity}{' ± 1 sd over seeds' if several else ''}"
        panel = Panel(title, quantity, [each for _, own in series for each in own])
        named, others = series[: len(SERIES_COLOURS)], series[len(SERIES_COLOURS) :]
        # A thousand lines are a cloud in which one still sees where most of them are.
        faint = Look(INK, width=0.6, alpha=max(0.05, min(0.3, 12 / max(1, len(others)))), shade=0)
        for _, histories in others:
            panel.curve(histories, "validation", faint)
        # The best is drawn last, over the others, and named first.
        for (label, histories), colour, marker in [*zip(named, SERIES_COLOURS, _SERIES_MARKERS, strict=False)][::-1]:
            look = Look(colour, marker=marker, shade=0.1, tells_spread=False)
            panel.curve(histories, "validation", look, label)
        panel.handles.reverse()
        if others:
            panel.name(f"{len(others)} more", replace(faint, alpha=0.3))
        return panel.finish(ylim)
