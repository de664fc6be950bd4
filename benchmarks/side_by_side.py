"""Runs side by side with a share of the cores each, against one run after the other with all of them.

    python -m benchmarks.side_by_side
    python -m benchmarks.side_by_side --model cnn --pairs 3

The same sweep twice in turn, start-up included and never stacked: `cnnjobs local` with as many runs at a time as there
are cores, one thread each, and with one run at a time that has all of them. All runs train as many epochs on the same
images, and are validated and measured in the same way.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks import arrays, commands, reports
from benchmarks.interleaved import spread
from benchmarks.sweep import finished_runs, learning_rates, write_sweep
from cnnjobs.components.data.datasets import data_folders
from cnnjobs.launch.plan.resources import allowed_cores

TOGETHER, ALONE = "side by side", "one after the other"


def main(words: Sequence[str] | None = None) -> None:
    """Measure and report."""
    given = _read(words)
    cores = allowed_cores()
    settings: dict[str, tuple[int, int]] = {TOGETHER: (cores, 1), ALONE: (1, cores)}
    numbers: dict[str, Any] = {TOGETHER: [], ALONE: [], "accuracy": {}}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        data = arrays.write(folder / "data", data_folders(given.data_dir), "colour", 32, given.images)
        file = write_sweep(folder, learning_rates(given.rounds * cores), given.model, given.epochs)
        for pair in range(given.pairs):
            # Which side is first changes from pair to pair: what grows warm or slow over time strikes both.
            for name in sorted(settings, reverse=bool(pair % 2)):
                results = folder / f"{pair} {name}"
                numbers[name].append(_seconds(file, results, *settings[name]))
                records = finished_runs(results, given.rounds * cores, given.epochs)
                numbers["accuracy"][name] = [record.metrics["test.accuracy"] for record in records]
            print(f"pair {pair + 1} of {given.pairs}: {numbers[ALONE][-1] / numbers[TOGETHER][-1]:.2f}", flush=True)
    reports.write("side_by_side", "Runs side by side", _parts(numbers, data, cores, given), numbers, given.reports)


def _read(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, help="runs for each core")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--images", type=int, default=10_000, help="training images")
    parser.add_argument("--model", default="lenet5")
    parser.add_argument("--data-dir", type=Path, help="where data sets are looked for first")
    parser.add_argument("--reports", type=Path, help="where the report goes")
    return parser.parse_args(words)


def _seconds(file: Path, results: Path, runs: int, threads: int) -> float:
    """Seconds of the sweep with so many runs at a time, and threads of each."""
    chosen: Final = {"max_parallel": runs, "cpus_per_run": threads, "stack": "off"}
    settings = [word for key, value in chosen.items() for word in ("--set", f"job.{key}={value}")]
    words = ["local", str(file), "--results", str(results), "--no-report", *settings]
    return commands.run([*commands.CNNJOBS, *words]).seconds


def _parts(numbers: dict[str, Any], data: str, cores: int, given: argparse.Namespace) -> list[str]:
    ratios = [alone / together for alone, together in zip(numbers[ALONE], numbers[TOGETHER], strict=True)]
    means = {name: sum(found) / len(found) for name, found in numbers["accuracy"].items()}
    told = ", ".join(f"{name} {mean:.3f}" for name, mean in means.items())
    runs = given.rounds * cores
    return [
        f"{runs} runs of {given.model}, {given.epochs} epochs each, {data}; wall time of the whole sweep.",
        f"{cores} runs at a time with one thread each are {spread(ratios)} times as fast as one at a time with {cores} "
        "threads.",
        f"Mean test accuracy of the same runs: {told}.",
    ]


if __name__ == "__main__":
    main()
