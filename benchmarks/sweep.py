"""A whole sweep over learning rates, start-up included: cnnjobs against one process after the other, and Hydra.

    python -m benchmarks.sweep
    python -m benchmarks.sweep --runs 4 --images 1000 --threads 1

All sides train the same network on the same images for as many epochs, validate after each, keep the best weights and
measure them on every whole split. `one after the other` is a new Python process for each learning rate. Its runs are
dealt into groups, and after each group cnnjobs runs the whole sweep: as many pairs, each of them the mean run of its
group times the number of runs over the time of the sweep. Hydra's submitit launcher, in its local mode, starts all runs
at once; there is no setting against it, and each has one thread.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from benchmarks import arrays, commands, reports
from benchmarks.interleaved import spread
from cnnjobs.components.datasets import data_folders
from cnnjobs.launch.resources import allowed_cores
from cnnjobs.runs import RunState, RunStore

_LOWEST, _HIGHEST = 1e-3, 3e-2
_SWEEP: Final = """\
name: learning_rates
method: grid
base:
  dataset: {{name: "benchmarks.arrays:arrays", folder: "{data}"}}
  augment: [crop, flip]
  model: {model}
  optimizer: {{name: sgd, momentum: 0.9}}
  epochs: {epochs}
parameters:
  lr: {{values: {lrs}}}
"""


def main(words: Sequence[str] | None = None) -> None:
    """Measure and report."""
    given = _read(words)
    lrs = learning_rates(given.runs)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        data = arrays.write(folder / "data", data_folders(given.data_dir), "colour", 32, given.images)
        numbers = _measure(folder, lrs, given)
        if given.hydra and find_spec("hydra_plugins.hydra_submitit_launcher") is None:
            print("hydra-submitit-launcher is not installed and is left out: `make bench` installs it")
        elif given.hydra:
            numbers["hydra"] = _hydra(folder, lrs, given)
    reports.write("sweep", "A sweep of learning rates, as ratios", [*_parts(numbers, data, given)], numbers,
                  given.reports)  # fmt: skip


def _read(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--images", type=int, default=10_000, help="training images")
    parser.add_argument("--model", default="lenet5")
    parser.add_argument("--threads", type=int, default=allowed_cores(), help="of a run alone in its process")
    parser.add_argument("--set", action="append", default=[], metavar="job.KEY=VALUE", help="for cnnjobs local")
    parser.add_argument("--no-hydra", dest="hydra", action="store_false")
    parser.add_argument("--data-dir", type=Path, help="where data sets are looked for first")
    parser.add_argument("--reports", type=Path, help="where the report goes")
    return parser.parse_args(words)


def learning_rates(count: int) -> list[float]:
    """So many, evenly on a logarithmic scale."""
    steps = max(1, count - 1)
    return [float(f"{_LOWEST * (_HIGHEST / _LOWEST) ** (number / steps):.3g}") for number in range(count)]


def _measure(folder: Path, lrs: Sequence[float], given: argparse.Namespace) -> dict[str, Any]:
    numbers: dict[str, Any] = {"plain_s": [], "cnnjobs_s": [], "ratios": [], "accuracy": {}}
    pairs = min(given.pairs, len(lrs))
    for pair in range(pairs):
        group = lrs[pair::pairs]
        alone = [_one_process(folder, lr, given) for lr in group]
        whole = _cnnjobs(folder, f"pair{pair}", lrs, given)
        numbers["plain_s"] += alone
        numbers["cnnjobs_s"].append(whole)
        numbers["ratios"].append(len(lrs) * fmean(alone) / whole)
        print(f"pair {pair + 1} of {pairs}: {numbers['ratios'][-1]:.2f} times as fast", flush=True)
    plain = [json.loads((folder / f"{lr}.json").read_text())["metrics"]["test.accuracy"] for lr in lrs]
    numbers["accuracy"] = {
        "one after the other": fmean(plain),
        "cnnjobs": fmean(finished_accuracies(folder / "pair0", given.epochs)),
    }
    return numbers


def _one_process(folder: Path, lr: float, given: argparse.Namespace) -> float:
    options = {"data": folder / "data", "model": given.model, "lr": lr, "epochs": given.epochs,
               "out": folder / f"{lr}.json", "threads": given.threads}  # fmt: skip
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    return commands.run([sys.executable, "-m", "benchmarks.plain_run", *words]).seconds


def write_sweep(folder: Path, lrs: Sequence[float], model: str, epochs: int) -> Path:
    """The file of a sweep over learning rates, of the images in `folder`/data."""
    file = folder / "learning_rates.yaml"
    file.write_text(_SWEEP.format(data=folder / "data", model=model, epochs=epochs, lrs=list(lrs)), encoding="utf-8")
    return file


def _cnnjobs(folder: Path, results: str, lrs: Sequence[float], given: argparse.Namespace) -> float:
    file = write_sweep(folder, lrs, given.model, given.epochs)
    settings = [word for setting in given.set for word in ("--set", setting)]
    words = ["local", str(file), "--results", str(folder / results), "--no-report", *settings]
    return commands.run([*commands.CNNJOBS, *words]).seconds


def finished_accuracies(results: Path, epochs: int) -> Iterator[float]:
    """Test accuracy of every run. Raises CommandError when one of them has not trained to its end."""
    for run in RunStore(results / "learning_rates").runs():
        record = run.read_record()
        if record.state is not RunState.FINISHED or record.epochs_done != epochs:
            raise commands.CommandError(f"{run.run_id}: {record.state} after {record.epochs_done} epochs")
        yield record.metrics["test.accuracy"]


def _hydra(folder: Path, lrs: Sequence[float], given: argparse.Namespace) -> dict[str, float]:
    """Hydra's time, and that of cnnjobs right after it."""
    out = folder / "hydra"
    out.mkdir()
    settings = {"data": folder / "data", "out": out, "model": given.model, "epochs": given.epochs,
                "lr": ",".join(map(str, lrs)), "hydra.sweep.dir": out / "sweep"}  # fmt: skip
    words = ["-m", "hydra/launcher=submitit_local", *(f"{key}={value}" for key, value in settings.items())]
    seconds = commands.run([sys.executable, "-m", "benchmarks.hydra_run", *words], OMP_NUM_THREADS="1").seconds
    if missing := [lr for lr in lrs if not (out / f"{lr}.json").exists()]:
        raise commands.CommandError(f"Hydra's runs with lr {missing} left no result")
    time.sleep(1)
    return {"hydra_s": seconds, "cnnjobs_s": _cnnjobs(folder, "beside_hydra", lrs, given)}


def _parts(numbers: dict[str, Any], data: str, given: argparse.Namespace) -> Iterator[str]:
    ratio = spread(numbers["ratios"])
    beside = numbers.get("hydra")
    hydra = f"{beside['hydra_s'] / beside['cnnjobs_s']:.3g} (n = 1)" if beside else "not measured"
    yield (
        f"{given.runs} runs of {given.model} over learning rates, {given.epochs} epochs each, {data}; "
        f"{given.threads} threads for a run alone in its process."
    )
    yield reports.table(
        ["against", "times as fast, start-up included"],
        [
            ["one Python process after the other", ratio],
            ["hydra-submitit-launcher, local: all at once, one thread each", hydra],
        ],
    )
    told = ", ".join(f"{side} {accuracy:.3f}" for side, accuracy in numbers["accuracy"].items())
    yield f"Mean test accuracy of the same runs: {told}."


if __name__ == "__main__":
    main()
