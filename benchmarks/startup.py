"""Start-up cost of a command, and cost of a run beside its training.

    python -m benchmarks.startup

The commands run in turn, each against `python -c pass`. The cost of a run: a sweep of one run and a sweep of several,
whose runs follow each other in one job; the difference is what the further runs took, and less their training time it
is the rest: records, checkpoints, the final evaluation, the way from one run to the next.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks import commands, reports
from benchmarks.interleaved import spread
from cnnjobs.disk.run_folder import RunState, RunStore

_COMMANDS: Final = {
    "python -c pass": (sys.executable, "-c", "pass"),
    "python -c 'import torch'": (sys.executable, "-c", "import torch"),
    "cnnjobs --version": (*commands.CNNJOBS, "--version"),
    "cnnjobs --help": (*commands.CNNJOBS, "--help"),
    "cnnjobs sweep FILE --dry-run": (*commands.CNNJOBS, "sweep", "cnnjobs/bundled/quickstart.yaml", "--dry-run"),
}
_SWEEP: Final = """\
name: short
method: grid
base:
  dataset: {{name: fashion_mnist_mini, subset: 640}}
  model: lenet5
  lr: 0.01
  epochs: 1
seeds: {runs}
job: {{max_parallel: 1, cpus_per_run: 1}}
"""


def main(words: Sequence[str] | None = None) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--runs", type=int, default=9, help="runs of the longer sweep")
    parser.add_argument("--pairs", type=int, default=2, help="sweeps of one run and of several")
    parser.add_argument("--without-torch", action="store_true", help="leave out `import torch`")
    parser.add_argument("--reports", type=Path, help="where the report goes")
    given = parser.parse_args(words)
    costs = _commands(given)
    numbers: dict[str, Any] = {"commands": costs}
    parts = ["Medians over rounds, with quartiles and their number; one process at a time.",
             "## Commands\n\n" + _command_table(costs)]  # fmt: skip
    if given.pairs:
        with tempfile.TemporaryDirectory() as scratch:
            numbers["runs"] = [_further_runs(Path(scratch) / str(pair), given.runs) for pair in range(given.pairs)]
        parts.append(_runs_part(numbers["runs"], given.runs))
    reports.write("startup", "Start-up", parts, numbers, given.reports)


def _commands(given: argparse.Namespace) -> dict[str, list[commands.Cost]]:
    chosen = {name: words for name, words in _COMMANDS.items() if not (given.without_torch and "torch" in name)}
    costs: dict[str, list[commands.Cost]] = {name: [] for name in chosen}
    for number in range(given.rounds + 1):
        for name, words in chosen.items():
            cost = commands.run(words)
            if number:  # the first round reads files into memory
                costs[name].append(cost)
    return costs


def _command_table(costs: dict[str, list[commands.Cost]]) -> str:
    nothing = [cost.seconds for cost in costs["python -c pass"]]
    rows = []
    for name, own in costs.items():
        extra = spread([1e3 * (cost.seconds - least) for cost, least in zip(own, nothing, strict=True)])
        processor = spread([1e3 * cost.processor_s for cost in own])
        rows.append([name, extra, processor, f"{max(cost.peak_mb for cost in own):.0f}"])
    return reports.table(["command", "ms beyond `python -c pass`", "ms of processor time", "peak memory (MB)"], rows)


def _further_runs(folder: Path, runs: int) -> dict[str, float]:
    """Seconds for each further run of a job, and how many of them were training."""
    seconds = {}
    for count in (1, runs):
        own = folder / str(count)
        own.mkdir(parents=True)
        (own / "short.yaml").write_text(_SWEEP.format(runs=count), encoding="utf-8")
        cost = commands.run(
            [*commands.CNNJOBS, "local", str(own / "short.yaml"), "--results", str(own / "results"), "--no-report"]
        )
        seconds[count] = cost.seconds
    store = RunStore(folder / str(runs) / "results" / "short")
    lines = [run.read_metrics() for run in store.runs()]
    assert all(run.read_record().state is RunState.FINISHED for run in store.runs())
    training = sum(own[-1]["seconds"] for own in lines) / len(lines)
    return {"alone_s": seconds[1], "further_s": (seconds[runs] - seconds[1]) / (runs - 1), "training_s": training,
            "peak_mb": cost.peak_mb}  # fmt: skip


def _runs_part(found: Sequence[dict[str, float]], runs: int) -> str:
    rows = [
        ["a sweep of one run, from the command to its end", spread([each["alone_s"] for each in found])],
        [f"each of {runs - 1} further runs in the same job", spread([each["further_s"] for each in found])],
        ["training and validation of a run", spread([each["training_s"] for each in found])],
        ["further run less its training", spread([each["further_s"] - each["training_s"] for each in found])],
    ]
    memory = max(each["peak_mb"] for each in found)
    return (
        "## Runs\n\nLeNet-5, one epoch of 640 images, one thread.\n\n"
        + reports.table(["what", "seconds"], rows)
        + f"\n\nPeak memory of the largest process: {memory:.0f} MB."
    )


if __name__ == "__main__":
    main()
