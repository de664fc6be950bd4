"""Growth of time and memory: with the number of runs, the size of the images, the batch, the processes side by side.

    python -m benchmarks.growth              # writes docs/growth.md and its plots, and a dated report
    python -m benchmarks.growth --page /tmp  # the page elsewhere

Planning, status and collection are measured as commands on sweeps of finished runs that are made up as training writes
them (two validations each); the rest with the loop of the trainer. What one thread does is given in processor time,
which other processes disturb less.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final

import psutil

from benchmarks import arrays, commands, growth_page, reports
from benchmarks.growth_page import AXES, Curves, Point
from benchmarks.interleaved import Side
from benchmarks.report_scale import write_finished
from cnnjobs.components.data.datasets import data_folders
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.launch.plan.resources import allowed_cores
from cnnjobs.sweep.file import read_sweep

PAGE: Final = Path(__file__).parent.parent / "docs"
_SWEEP: Final = """\
name: growth
method: grid
base: {{dataset: fashion_mnist_mini, model: lenet5, epochs: 2}}
parameters:
  lr: {{values: {lrs}}}
seeds: {seeds}
"""
_LOAD: Final = "import sys, cnnjobs; found = cnnjobs.load(sys.argv[1]); found.runs, found.configurations"
_SEEDS: Final = 10
_TIMES: Final = 3


def main(words: Sequence[str] | None = None) -> None:
    """Measure, write the page and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 10, 100, 1000, 10_000])
    parser.add_argument("--image-sizes", type=int, nargs="*", default=[32, 64, 128, 256])
    parser.add_argument("--batches", type=int, nargs="*", default=[16, 64, 256, 1024])
    parser.add_argument("--side-by-side", type=int, nargs="*", default=_up_to(2 * allowed_cores()), metavar="WORKERS")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a window")
    parser.add_argument("--page", type=Path, default=PAGE, help="the folder of growth.md")
    parser.add_argument("--reports", type=Path, help="where the report goes")
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as scratch:
        curves = {
            "runs": _runs(Path(scratch), given.runs),
            "image size": {"ResNet18": _image_sizes(Path(scratch), given.image_sizes, given.seconds)},
            "batch": {"Table-2 CNN": _batches(Path(scratch), given.batches, given.seconds)},
            "side by side": {"LeNet-5": _side_by_side(Path(scratch), given.side_by_side, given.seconds)},
        }
    growth_page.write(given.page, curves)
    parts = [f"## {AXES[name].title}\n\n{growth_page.table(AXES[name], own)}" for name, own in curves.items()]
    parts.append("On a GPU: not measured; training is measured on one core.")
    reports.write("growth", "Growth", parts, curves, given.reports)


def _runs(scratch: Path, counts: Sequence[int]) -> Curves:
    """Planning a new sweep, and status and collection of a finished one, by the number of its runs."""
    curves: Curves = {"planning": [], "status": [], "collection": []}
    for count in counts:
        results = scratch / str(count)
        store = RunStore(results / "growth")
        store.path.mkdir(parents=True)
        seeds = min(_SEEDS, count)
        lrs = [round(1e-6 * (number + 1), 6) for number in range(math.ceil(count / seeds))]
        text = _SWEEP.format(lrs=lrs, seeds=seeds)
        new = results / "growth.yaml"
        new.write_text(text, encoding="utf-8")
        for run in read_sweep(new).runs:
            write_finished(store.run(run.run_id), run)
        store.sweep_file.write_text(text, encoding="utf-8")
        asked = {
            "planning": [*commands.CNNJOBS, "sweep", str(new), "--dry-run", "--results", str(results / "none")],
            "status": [*commands.CNNJOBS, "status", "growth", "--results", str(results)],
            "collection": [sys.executable, "-c", _LOAD, str(store.path)],
        }
        for name, words in asked.items():
            cost = commands.run(words)
            curves[name].append(Point(count, cost.processor_s, cost.peak_mb))
            print(f"{name} of {count} runs: {cost.processor_s:.2f} s, {cost.peak_mb:.0f} MB", flush=True)
    return curves


def _image_sizes(scratch: Path, sizes: Sequence[int], seconds: float) -> list[Point]:
    """A step of 16 images."""
    return [_step(scratch, "resnet18", size=size, batch=16, seconds=seconds) for size in sizes]


def _batches(scratch: Path, batches: Sequence[int], seconds: float) -> list[Point]:
    """A step at 32 pixels."""
    return [_step(scratch, "cnn", size=32, batch=batch, seconds=seconds) for batch in batches]


def _step(scratch: Path, model: str, *, size: int, batch: int, seconds: float) -> Point:
    """Processor time of one step, and the memory of the process, data included."""
    folder = _images(scratch, size, max(256, batch))
    with Side(f"{model} {size} px, batch {batch}") as side:
        side.prepare("cnnjobs", data=folder, model=model, batch=batch, threads=1, device="cpu")
        side.window(seconds / 2)
        window = side.window(seconds)
        memory = _memory_mb([side])
    return Point(size if model == "resnet18" else batch, window.processor_s / window.steps, memory)


def _up_to(most: int) -> list[int]:
    """1, 2, 4 and so on."""
    return [1 << power for power in range(most.bit_length())]


def _side_by_side(scratch: Path, counts: Sequence[int], seconds: float) -> list[Point]:
    """A step of 64 images over all of so many processes at once, each with one thread, and the memory of all."""
    folder = _images(scratch, 32, 4096)
    points = []
    with ExitStack() as stack:
        sides = [stack.enter_context(Side(f"process {number}")) for number in range(max(counts, default=0))]
        for side in sides:
            side.prepare("cnnjobs", data=folder, model="lenet5", batch=64, threads=1, device="cpu")
        for side in sides:
            side.window(seconds / 2)
        for count in counts:
            rate = median(_rate(sides[:count], seconds) for _ in range(_TIMES))
            points.append(Point(count, 1 / rate, _memory_mb(sides[:count])))
    return points


def _rate(sides: Sequence[Side], seconds: float) -> float:
    """Steps per second of all that work at once."""
    for side in sides:
        side.begin(seconds)
    answers = [side.answer() for side in sides]
    return sum(float(each["steps"] / each["seconds"]) for each in answers)


def _images(scratch: Path, size: int, count: int) -> str:
    folder = scratch / f"images-{size}-{count}"
    if not folder.exists():
        arrays.write(folder, data_folders(), "colour", size, count)
    return str(folder)


def _memory_mb(sides: Sequence[Side]) -> float:
    """Of these processes together: what they share, which is mostly PyTorch's code, is counted once."""
    each = [psutil.Process(side.pid).memory_full_info() for side in sides]
    return float(max(found.rss - found.uss for found in each) + sum(found.uss for found in each)) / 2**20


if __name__ == "__main__":
    main()
