"""Images per second of several runs as one network against one run at a time, by the size of the network.

    python -m benchmarks.stacked                             # on all cores
    python -m benchmarks.stacked --threads 1 --pairs 9 --networks lenet5

Runs of one sweep that differ in their learning rates see the same batches (crops and flips, 64 images). A side with
K runs trains K images for each image that it reads. The limit in cnnjobs/training/stacks/choice.py is from here.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from benchmarks import arrays, reports, utilisation
from benchmarks.interleaved import Rounds, Side, Spread, measure, spread
from cnnjobs.components.data.datasets import data_folders
from cnnjobs.launch.plan.resources import allowed_cores

BATCH: Final = 64
# Model, and the kind and size of its images.
NETWORKS: Final[dict[str, tuple[Any, str, int]]] = {
    "lenet5": ("lenet5", "colour", 32),
    "mnist_cnn": ("mnist_cnn", "gray", 28),
    "cnn 8 16 32": ({"name": "cnn", "filters": [8, 16, 32]}, "colour", 32),
    "cnn 16 32 64, 3×3": ({"name": "cnn", "filters": [16, 32, 64], "kernel_size": 3}, "colour", 32),
    "cnn 16 32 64": ({"name": "cnn", "filters": [16, 32, 64]}, "colour", 32),
    "cnn": ("cnn", "colour", 32),
}
_RUNS: Final = {"cpu": [2, 4, 8], "cuda": [1, 4, 16]}
ALONE: Final = "one run"


def main(words: Sequence[str] | None = None) -> None:
    """Measure and report."""
    given = _read(words)
    found: dict[str, Rounds] = {}
    busy: dict[str, dict[str, Spread]] = {}
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        sides = {name: stack.enter_context(Side(name)) for name in (ALONE, *map(_together, given.runs))}
        for number, name in enumerate(given.networks):
            model, kind, size = NETWORKS[name]
            folder = Path(scratch) / str(number)
            arrays.write(folder, data_folders(given.data_dir), kind, size, given.images)
            shared = {
                "data": str(folder), "model": model, "batch": BATCH, "threads": given.threads,
                "device": given.device, "cores": given.threads, "precision": given.precision,
            }  # fmt: skip
            sides[ALONE].prepare("cnnjobs", **shared)
            for runs in given.runs:
                sides[_together(runs)].prepare("stacked", runs=runs, **shared)
            found[name] = measure(sides, seconds=given.seconds, pairs=given.pairs)
            if given.device == "cuda":
                busy[name] = utilisation.watch(sides)
            last = given.runs[-1]
            print(f"{name}: {found[name].ratio(_together(last), ALONE, last)} times with {last} runs", flush=True)
    numbers = {"rounds": found, "utilisation": busy}
    parts = [*_parts(found, given), utilisation.part(busy)]
    reports.write("stacked", "Stacked training, as ratios", parts, numbers, given.reports)


def _read(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--runs", nargs="+", type=int, help="of each stack; default: 2 4 8, and on a GPU 1 4 16")
    parser.add_argument("--pairs", type=int, default=5, help="undisturbed pairs of windows")
    parser.add_argument("--seconds", type=float, default=0.6, help="length of a window")
    parser.add_argument("--threads", type=int, default=allowed_cores(), help="of every side")
    parser.add_argument("--images", type=int, default=10_000, help="training images")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="default: the GPU where there is one")
    parser.add_argument("--data-dir", type=Path, help="where data sets are looked for first")
    parser.add_argument("--reports", type=Path, help="where the report goes")
    given = parser.parse_args(words)
    given.device = reports.choose_device(parser, given.device)
    given.runs = given.runs or _RUNS[given.device]
    return given


def _together(runs: int) -> str:
    return f"{runs} {'run' if runs == 1 else 'runs'} stacked"


def _parts(found: dict[str, Rounds], given: argparse.Namespace) -> Iterator[str]:
    yield (
        f"Medians of ratios within rounds, with quartiles and the number of rounds; device {given.device}, threads of "
        f"each side: {given.threads}, windows of {given.seconds} s, batches of {BATCH}, {given.precision}. Runs "
        "that follow one another train as many images per second as one."
    )
    if given.device == "cpu":
        yield "On a GPU: not measured, there is none in use here. Where there is one, the same command takes it."
    header = ["network", "one by one, images/s", *(f"{_together(runs)}, times" for runs in given.runs)]
    rows = [
        [name, f"{BATCH * rounds.rate(ALONE).median:,.0f}"]
        + [str(rounds.ratio(_together(runs), ALONE, runs)) for runs in given.runs]
        for name, rounds in found.items()
    ]
    yield "## Images per second of all runs together, as times one by one\n\n" + reports.table(header, rows)
    if given.device == "cuda":
        return
    rows = [[name, *(str(_by_processor(rounds, runs)) for runs in given.runs)] for name, rounds in found.items()]
    yield (
        "## Images per second of processor time, as times one by one\n\nOthers take processor time away, but they do "
        "not add any.\n\n" + reports.table(["network", *header[2:]], rows)
    )


def _by_processor(rounds: Rounds, runs: int) -> Spread:
    pairs = zip(rounds.windows[ALONE], rounds.windows[_together(runs)], strict=True)
    return spread([runs * (a.processor_s / a.steps) / (b.processor_s / b.steps) for a, b in pairs])


if __name__ == "__main__":
    main()
