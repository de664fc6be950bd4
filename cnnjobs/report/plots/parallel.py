"""All configurations at a glance: a line for each, through its value of every parameter to what it reached."""

from __future__ import annotations

import json
import textwrap
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import NDArray

from cnnjobs.figures.drawing.style import HALF_PAGE, INK, PAPER, SERIES_COLOURS, plain, style
from cnnjobs.report.analysis.importance import MOST_LEVELS, WIDE, Factor, Parameters
from cnnjobs.report.text import numbers

MOST_AXES: Final = 8
_MOST_BEST: Final = 5
_HEIGHT: Final = 4.2
# Where a value has many lines they are fanned out, in the order of what they reached, over this part of its room.
_FAN: Final = 0.55


def parallel(found: Parameters) -> Figure:
    """The configurations over the parameters that mattered most; the best few in colour, the best one on top."""
    with style():
        figure = Figure(figsize=(2 * HALF_PAGE, _HEIGHT), layout="constrained")
        axes = figure.add_subplot()
        factors, ranks, heights = _placed(found)
        _lines(axes, heights, ranks)
        for place, factor in enumerate(factors):
            _name(axes, place, factor.name)
            _axis(axes, place, factor)
        _name(axes, len(factors), numbers.metric_name(found.metric))
        _line(axes, len(factors), 0, 1)
        _write(axes, len(factors), *_metric_marks(found))
        axes.set_xlim(-0.35, len(factors) + 0.35)
        axes.set_ylim(-0.06, 1.06)
        axes.axis("off")
        return figure


def parallel_lines(found: Parameters) -> str:
    """The same as JSON, from which a page makes a drawing that answers: axes with their marks, lines, the best last.

    {"axes": [{"name", "marks": [[height, word]]}], "lines": [{"at": [height], "label", "told"}], "best"}; heights in
    [0, 1].
    """
    factors, ranks, heights = _placed(found)
    axes = [(factor.name, *_marks(factor)) for factor in factors]
    axes.append((numbers.metric_name(found.metric), *_metric_marks(found)))
    told = [numbers.mean_and_sd(choice.metric, choice.summary) for choice in found.choices]
    lines = [
        {"at": heights[line].round(4).tolist(), "label": found.choices[line].configuration.label, "told": told[line]}
        for line in np.argsort(ranks)
    ]
    marked = [
        {"name": name, "marks": [[round(float(height), 4), word] for word, height in zip(words, places, strict=True)]}
        for name, words, places in axes
    ]
    data = {"axes": marked, "lines": lines, "best": min(_MOST_BEST, len(lines) // 2)}
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _placed(found: Parameters) -> tuple[list[Factor], NDArray[np.int64], NDArray[np.float64]]:
    """The parameters that are shown, the place (configurations,) in the order from the worst, heights (them, axes)."""
    factors = [found.factors[number] for number in found.order[:MOST_AXES]]
    ranks = np.argsort(np.argsort(found.means if found.higher_is_better else -found.means, kind="stable"))
    reached = _scaled(found.means)[0]
    if not found.higher_is_better:
        reached = 1 - reached
    return factors, ranks, np.column_stack([*(_heights(factor, ranks) for factor in factors), reached])


def _lines(axes: Axes, heights: NDArray[np.float64], ranks: NDArray[np.int64]) -> None:
    """The lines (configurations, axes) from the worst to the best."""
    num_lines, num_axes = heights.shape
    best = min(_MOST_BEST, num_lines // 2)
    order = np.argsort(ranks)
    places = np.arange(num_axes, dtype=float)
    segments = [np.column_stack((places, heights[line])) for line in order]
    others, marked = segments[: num_lines - best], segments[num_lines - best :]
    alpha = float(np.clip(12 / max(1, len(others)), 0.06, 0.45))
    axes.add_collection(LineCollection(others, colors=INK, linewidths=0.7, alpha=alpha))
    handles = [Line2D([], [], color=INK, linewidth=0.7, alpha=0.5, label=f"{len(others):,} others")]
    if best > 1:
        axes.add_collection(LineCollection(marked[:-1], colors=SERIES_COLOURS[2], linewidths=1.2, zorder=3))
        handles.append(Line2D([], [], color=SERIES_COLOURS[2], linewidth=1.2, label=f"the next {best - 1}"))
    if best:
        axes.add_collection(LineCollection(marked[-1:], colors=SERIES_COLOURS[0], linewidths=2.4, zorder=4))
        handles.append(Line2D([], [], color=SERIES_COLOURS[0], linewidth=2.4, label="the best"))
    axes.figure.legend(handles=handles[::-1], loc="outside lower left", ncols=3)


def _heights(factor: Factor, ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Where each configuration's line meets the axis of a parameter, from 0 to 1."""
    if _is_continuous(factor):
        return _scaled(_values(factor))[0]
    room = 1 / len(factor.levels)
    heights = np.asarray((factor.index + 0.5) * room, dtype=np.float64)
    for number in range(len(factor.levels)):
        own = np.flatnonzero(factor.index == number)
        if len(own) > 1:
            fan = np.linspace(-0.5, 0.5, len(own)) * room * _FAN
            heights[own[np.argsort(ranks[own])]] += fan
    return heights


def _is_continuous(factor: Factor) -> bool:
    return factor.is_numeric and len(factor.levels) > MOST_LEVELS


def _values(factor: Factor) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.array(factor.levels, dtype=float)[factor.index]
    return values


def _scaled(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Values -> heights from 0 to 1, with the marks of the axis and their heights; far ones by their logarithms."""
    low, high = float(values.min()), float(values.max())
    wide = low > 0 and high > WIDE * low
    marks = np.asarray((LogLocator(numticks=6) if wide else MaxNLocator(5)).tick_values(low, high), dtype=float)
    marks = marks[(marks >= low) & (marks <= high)]
    if low == high:
        return np.full(len(values), 0.5), np.array([low]), np.array([0.5])
    shown = np.log if wide else np.asarray
    bottom, top = shown(low), shown(high)
    return (shown(values) - bottom) / (top - bottom), marks, (shown(marks) - bottom) / (top - bottom)


def _name(axes: Axes, place: int, name: str) -> None:
    title = "\n".join(textwrap.wrap(plain(name), 16, break_long_words=True)[:3])
    axes.text(place, 1.04, title, ha="center", va="bottom", weight="bold")


def _axis(axes: Axes, place: int, factor: Factor) -> None:
    """The axis of a parameter: whole, or in one piece for each of its values, as long as their lines are fanned out."""
    if _is_continuous(factor):
        _line(axes, place, 0, 1)
    else:
        room = 1 / len(factor.levels)
        for number in range(len(factor.levels)):
            _line(axes, place, (number + 0.5 - 0.5 * _FAN) * room, (number + 0.5 + 0.5 * _FAN) * room)
    _write(axes, place, *_marks(factor))


def _marks(factor: Factor) -> tuple[list[str], NDArray[np.float64]]:
    """Marks along the axis of a parameter, and their places; nothing where it would not be read."""
    if _is_continuous(factor):
        _, marks, heights = _scaled(_values(factor))
        return [f"{mark:g}" for mark in marks], heights
    if len(factor.levels) > 2 * MOST_LEVELS:
        return [], np.empty(0)
    return [*factor.words], (np.arange(len(factor.levels)) + 0.5) / len(factor.levels)


def _line(axes: Axes, place: int, low: float, high: float) -> None:
    axes.plot([place, place], [low, high], color=INK, linewidth=1.4, zorder=5)


def _metric_marks(found: Parameters) -> tuple[list[str], NDArray[np.float64]]:
    _, marks, heights = _scaled(found.means)
    words = [f"{100 * mark:g} %" if numbers.is_share(found.metric) else f"{mark:g}" for mark in marks]
    return words, heights if found.higher_is_better else 1 - heights


def _write(axes: Axes, place: int, words: list[str], heights: NDArray[np.float64]) -> None:
    box = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.85, "pad": 1.0}
    for word, height in zip(words, heights, strict=True):
        axes.plot([place - 0.015, place + 0.015], [height, height], color=INK, linewidth=1, zorder=5)
        lines = "\n".join(textwrap.wrap(plain(word), 16)[:2])
        axes.text(place + 0.03, height, lines, va="center", fontsize=8.5, zorder=6, bbox=box)
