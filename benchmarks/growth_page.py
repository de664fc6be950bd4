"""docs/growth.md: the curves of `growth` as plots, tables and what they mean for ten and a hundred times as much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import reports


@dataclass(frozen=True)
class Point:
    """Seconds and megabytes at one place of an axis."""

    at: int
    seconds: float
    mb: float


Curves = Mapping[str, Sequence[Point]]


@dataclass(frozen=True)
class Axis:
    """Axis of growth: its heading, its words, and what breaks first with ten and a hundred times as much."""

    title: str
    label: str
    time: str
    about: str
    now: str
    ten: str
    hundred: str
    steep: bool = True


AXES: Final = {
    "runs": Axis(
        "Runs in a sweep",
        "runs",
        "processor time (s)",
        "Planning is `cnnjobs sweep FILE --dry-run` of a new sweep, status `cnnjobs status`, collection `cnnjobs.load` "
        "with its tables; status and collection of finished runs with two validations each.",
        "With {last} runs planning takes {planning}, status {status}, collection {collection}; each further thousand "
        "adds {planning_more}, {status_more} and {collection_more}.",
        "The files break first: a run leaves six and more, and quotas on shared file systems are often a million. "
        "Every look at the states opens a record for each run, some {status_ten} for {ten} runs, so `--watch` lags "
        "behind. Planning and collection go on at the same slope, some {planning_ten} and {collection_ten}.",
        "Nothing holds as one sweep. Its plan is one list in memory ({planning_mb} MB for {last} runs, some "
        "{planning_hundred_gb} GB for {hundred}), its report one page, and schedulers take arrays in pieces that users "
        "are allowed a few of. Split such a sweep by its widest parameter; `cnnjobs report A B C` joins the parts.",
    ),
    "image size": Axis(
        "Image size",
        "height and width in pixels",
        "processor time of a step (s)",
        "ResNet18, batches of 16, one thread, images with crops and flips; the memory is that of the whole process.",
        "Time and the memory of activations grow with the number of pixels: from {first} to {last} pixels a step takes "
        "{slower} times as long.",
        "Ten times as many pixels (100 instead of 32) cost time and nothing else: 50,000 colour images take {ten_gb} "
        "GB instead of {small_gb}, which all runs of a machine share.",
        "The data set breaks first: as 320 pixels it takes {large_gb} GB. What takes more than half of the memory that "
        "is free, on a GPU of the GPU's, is read from disk ahead of use, and then the disk sets the pace of all runs "
        "at once. `resize` in `augment` makes the network's input smaller, not the stored images: store them smaller.",
    ),
    "batch": Axis(
        "Batch size",
        "images in a batch",
        "processor time of a step (s)",
        "The CNN of Table 2 at 32 pixels, one thread.",
        "A step grows with its batch: of {first} images each takes {first_ms} ms, of {last} images {last_ms} ms. "
        "Memory grows from {first_mb} to {last_mb} MB.",
        "With ten times the usual 64 images the accuracy breaks first, as an epoch has a tenth of the steps: raise the "
        "learning rate and warm it up, or train longer.",
        "The memory breaks first, some {hundred_batches_gb} GB for a batch of 6,400, as the activations of all layers "
        "are kept for the backward pass; and a small data set has only a few steps left in an epoch.",
    ),
    "side by side": Axis(
        "Workers side by side",
        "workers with one thread each",
        "wall time of a step, over all (s)",
        "Processes that train at the same time, as those of `cnnjobs local` do: LeNet-5, batches of 64; on {cores} "
        "cores.",
        "{last} workers together make {faster} times as many steps per second as one. The first needs "
        "{first_mb} MB, most of it PyTorch itself, each further one {each_mb} MB. Beyond the cores nothing is "
        "gained, which is why `cnnjobs local` starts no more than they carry and says so.",
        "On a machine with as many cores the memory breaks first: some {each_mb} MB for each further run at once. "
        "`runs_at_once: auto` starts as many as fit; runs that are stacked share one process.",
        "So many are no longer on one machine: on Slurm the runs of a sweep are dealt to array tasks, and "
        "the shared file system, which they all have in common, breaks first.",
        steep=False,
    ),
}


def write(folder: Path, curves: Mapping[str, Curves]) -> Path:
    """The page and its plots, in `folder`."""
    about = reports.machine()
    parts = [
        "# Growth",
        "How time and memory grow, and what breaks first when there is ten and a hundred times as much. Written by "
        "`python -m benchmarks.growth`, a part of `make bench`.\n"
        f"Measured once on {about['cores']} cores, {about['processor']}, torch {about['torch']}, load {about['load']} "
        "before it began; on a GPU not measured.",
    ]
    for name, own in curves.items():
        if any(own.values()):
            parts += _axis(folder, name, own, about)
    page = folder / "growth.md"
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return page


def _axis(folder: Path, name: str, own: Curves, about: Mapping[str, Any]) -> list[str]:
    axis = AXES[name]
    numbers = (_of_runs if name == "runs" else _of_steps)(own)
    plot = f"growth/{name.replace(' ', '-')}.svg"
    _draw(folder / plot, axis, own)
    return [
        f"## {axis.title}",
        axis.about.format(**about),
        f"![{axis.title}: time and memory]({plot})",
        table(axis, own),
        axis.now.format(**numbers),
        "**Ten times as much.** " + axis.ten.format(**numbers),
        "**A hundred times as much.** " + axis.hundred.format(**numbers),
    ]


def table(axis: Axis, own: Curves) -> str:
    """All points."""
    rows = [[name, f"{point.at:,}", f"{point.seconds:.3g}", f"{point.mb:,.0f}"]
            for name, points in own.items() for point in points]  # fmt: skip
    return reports.table(["of", axis.label, axis.time, "memory (MB)"], rows)


def _of_runs(own: Curves) -> dict[str, str]:
    numbers: dict[str, str] = {}
    for name, points in own.items():
        last, slope = points[-1], _slope(points, "seconds")
        numbers |= {"last": f"{last.at:,}", "ten": f"{10 * last.at:,}", "hundred": f"{100 * last.at:,}"}
        numbers |= {
            name: f"{last.seconds:.1f} s",
            f"{name}_mb": f"{last.mb:,.0f}",
            f"{name}_more": f"{1000 * slope:.2g} s",
            f"{name}_ten": f"{last.seconds + 9 * last.at * slope:.2g} s",
            f"{name}_hundred_gb": f"{(last.mb + 99 * last.at * _slope(points, 'mb')) / 1e3:.2g}",
        }
    return numbers


def _slope(points: Sequence[Point], what: str) -> float:
    """Cost of each further one, between the first point and the last."""
    first, last = points[0], points[-1]
    more: float = getattr(last, what) - getattr(first, what)
    return max(0.0, more) / max(1, last.at - first.at)


def _of_steps(own: Curves) -> dict[str, str]:
    points = next(iter(own.values()))
    first, last = points[0], points[-1]
    small, ten, large = (50_000 * 3 * side**2 / 1e9 for side in (32, 100, 320))
    return {
        "first": f"{first.at:,}",
        "last": f"{last.at:,}",
        "slower": f"{last.seconds / first.seconds:.3g}",
        "faster": f"{first.seconds / last.seconds:.3g}",
        "first_ms": f"{1e3 * first.seconds / first.at:.2g}",
        "last_ms": f"{1e3 * last.seconds / last.at:.2g}",
        "first_mb": f"{first.mb:,.0f}",
        "last_mb": f"{last.mb:,.0f}",
        "each_mb": f"{_slope(points, 'mb'):,.0f}",
        "hundred_batches_gb": f"{(first.mb + (6400 - first.at) * _slope(points, 'mb')) / 1e3:.2g}",
        "small_gb": f"{small:.2g}",
        "ten_gb": f"{ten:.2g}",
        "large_gb": f"{large:.2g}",
    }


def _draw(file: Path, axis: Axis, own: Curves) -> None:
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    from cnnjobs.figures.drawing.style import SERIES_COLOURS, style, svg_text

    with style():
        figure = Figure(figsize=(8.4, 3.0), layout="constrained")
        time, memory = figure.subplots(1, 2)
        for (name, points), colour in zip(own.items(), SERIES_COLOURS, strict=False):
            at = [point.at for point in points]
            time.plot(at, [point.seconds for point in points], "o-", color=colour, label=name)
            memory.plot(at, [point.mb for point in points], "o-", color=colour, label=name)
        for axes, label in ((time, axis.time), (memory, "memory (MB)")):
            axes.margins(0.08)
            axes.set(xscale="log", xlabel=axis.label, ylabel=label)
            axes.set_ylim(bottom=0)
            axes.set_xticks(sorted({point.at for points in own.values() for point in points}))
            axes.minorticks_off()
            axes.xaxis.set_major_formatter("{x:,.0f}")
        if axis.steep:
            seconds = [point.seconds for points in own.values() for point in points]
            time.set(yscale="log", ylim=(min(seconds) / 1.5, max(seconds) * 1.5))
            time.minorticks_off()
            time.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            time.yaxis.set_major_formatter("{x:g}")
        if len(own) > 1:
            time.legend()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(svg_text(figure), encoding="utf-8")
