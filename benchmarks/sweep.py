"""A whole sweep over learning rates, start-up included: cnnjobs against one process after the other, and Hydra.

    python -m benchmarks.sweep
    python -m benchmarks.sweep --runs 4 --images 1000 --threads 1

All sides train the same network on the same images for as many epochs, validate after each, keep the best weights and
measure them on every whole split. `one after the other` is a new Python process for each learning rate. Its runs are
dealt into groups, and after each group cnnjobs runs the whole sweep: as many pairs, each of them the mean run of its
group times the number of runs over the time of the sweep. The first run of each group is repeated with the number of
workers and threads that trains fastest here. Hydra's submitit launcher, in its local mode, starts all runs
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
from statistics import fmean, median
from typing import Any, Final

from benchmarks import arrays, commands, reports, steps
from benchmarks.interleaved import Side, spread
from cnnjobs.components.data.datasets import data_folders
from cnnjobs.disk.record import RunRecord
from cnnjobs.disk.run_folder import RunState, RunStore
from cnnjobs.launch.plan.resources import allowed_cores

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
  precision: float32
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
        numbers["hydra"] = _hydra_or_why_not(folder, lrs, given)
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
    parser.add_argument("--seconds", type=float, default=0.6, help="of a window in the search for the best setting")
    parser.add_argument("--set", action="append", default=[], metavar="job.KEY=VALUE", help="for cnnjobs local")
    parser.add_argument("--no-best", dest="best", action="store_false", help="without the best setting of the others")
    parser.add_argument("--no-hydra", dest="hydra", action="store_false")
    parser.add_argument("--data-dir", type=Path, help="where data sets are looked for first")
    parser.add_argument("--reports", type=Path, help="where the report goes")
    return parser.parse_args(words)


def learning_rates(count: int) -> list[float]:
    """So many, evenly on a logarithmic scale."""
    steps = max(1, count - 1)
    return [float(f"{_LOWEST * (_HIGHEST / _LOWEST) ** (number / steps):.3g}") for number in range(count)]


def _measure(folder: Path, lrs: Sequence[float], given: argparse.Namespace) -> dict[str, Any]:
    numbers: dict[str, Any] = {name: [] for name in ("plain_s", "best_s", "cnnjobs_s", "ratios", "best_ratios")}
    # It also reads torch into memory: the first process does not pay for that.
    numbers["best setting"] = best = _best_setting(folder, given) if given.best else None
    pairs = min(given.pairs, len(lrs))
    plain: list[commands.Cost] = []
    own: list[commands.Cost] = []
    for pair in range(pairs):
        group = lrs[pair::pairs]
        at_its_best = [_one_process(folder, group[0], given, *best).seconds] if best else []
        alone = [_one_process(folder, lr, given, 0, given.threads) for lr in group]
        whole = _cnnjobs(folder, f"pair{pair}", lrs, given)
        plain += alone
        own.append(whole)
        numbers["best_s"] += at_its_best
        numbers["ratios"].append(len(lrs) * fmean(each.seconds for each in alone) / whole.seconds)
        numbers["best_ratios"] += [len(lrs) * seconds / whole.seconds for seconds in at_its_best]
        print(f"pair {pair + 1} of {pairs}: {numbers['ratios'][-1]:.2f} times as fast", flush=True)
    numbers["plain_s"], numbers["cnnjobs_s"] = ([cost.seconds for cost in costs] for costs in (plain, own))
    numbers["peak_mb"] = {"plain": max(cost.peak_mb for cost in plain), "cnnjobs": max(cost.peak_mb for cost in own)}
    results = [folder / f"pair{pair}" for pair in range(pairs)]
    return numbers | _compared([json.loads(_result(folder, lr).read_text()) for lr in lrs], results, given.epochs)


def _best_setting(folder: Path, given: argparse.Namespace) -> tuple[int, int]:
    """Workers and threads with which the loop that courses teach runs fastest here."""
    device = "cuda" if reports.gpu_name() else "cpu"
    shared = {"data": str(folder / "data"), "model": given.model, "batch": steps.BATCH, "device": device}
    with Side("sources at its best") as side:
        return steps.best_setting(side, shared, given.seconds)


def _compared(plain: Sequence[dict[str, Any]], results: Sequence[Path], epochs: int) -> dict[str, Any]:
    """Accuracy of both sides and how cnnjobs trained. Raises CommandError when the sides have not done the same."""
    own = [finished_runs(each, len(plain), epochs) for each in results]
    records = [record for each in own for record in each]
    done = {(each["device"], *each["num_images"].items()) for each in plain}
    done |= {(record.attempts[-1].device.partition(" ")[0], *record.num_images.items()) for record in records}
    if len(done) > 1:
        raise commands.CommandError(f"the sides differ in device or images: {sorted(map(str, done))}")
    accuracy = {
        "one after the other": fmean(each["metrics"]["test.accuracy"] for each in plain),
        "cnnjobs": fmean(record.metrics["test.accuracy"] for record in own[0]),
    }
    attempts = [record.attempts[-1] for record in records]
    together = 1 + max(attempt.stacked for attempt in attempts)
    how = f"{attempts[0].device}, threads {attempts[0].threads}, at most {together} runs in one network"
    return {"accuracy": accuracy, "how": how}


def _one_process(folder: Path, lr: float, given: argparse.Namespace, workers: int, threads: int) -> commands.Cost:
    options = {"data": folder / "data", "model": given.model, "lr": lr, "epochs": given.epochs,
               "out": _result(folder, lr), "workers": workers, "threads": threads}  # fmt: skip
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    return commands.run([sys.executable, "-m", "benchmarks.plain_run", *words])


def _result(folder: Path, lr: float) -> Path:
    return folder / f"{lr}.json"


def write_sweep(folder: Path, lrs: Sequence[float], model: str, epochs: int) -> Path:
    """The file of a sweep over learning rates, of the images in `folder`/data."""
    file = folder / "learning_rates.yaml"
    file.write_text(_SWEEP.format(data=folder / "data", model=model, epochs=epochs, lrs=list(lrs)), encoding="utf-8")
    return file


def _cnnjobs(folder: Path, results: str, lrs: Sequence[float], given: argparse.Namespace) -> commands.Cost:
    file = write_sweep(folder, lrs, given.model, given.epochs)
    settings = [word for setting in given.set for word in ("--set", setting)]
    words = ["local", str(file), "--results", str(folder / results), "--no-report", *settings]
    return commands.run([*commands.CNNJOBS, *words])


def finished_runs(results: Path, number: int, epochs: int) -> list[RunRecord]:
    """The records of so many runs. Raises CommandError when one is missing or has not trained to its end."""
    runs = [*RunStore(results / "learning_rates").runs()]
    if len(runs) != number:
        raise commands.CommandError(f"{len(runs)} runs in {results} instead of {number}")
    records = [run.read_record() for run in runs]
    for run, record in zip(runs, records, strict=True):
        if record.state is not RunState.FINISHED or record.epochs_done != epochs:
            raise commands.CommandError(f"{run.run_id}: {record.state} after {record.epochs_done} epochs")
    return records


def _hydra_or_why_not(folder: Path, lrs: Sequence[float], given: argparse.Namespace) -> dict[str, float] | str:
    """Hydra's time, or in one line why there is none."""
    if not given.hydra:
        return "left out with --no-hydra"
    if find_spec("hydra_plugins.hydra_submitit_launcher") is None:
        return "hydra-submitit-launcher is not installed, `make bench` installs it"
    try:
        return _hydra(folder, lrs, given)
    except commands.CommandError as error:
        print(f"Hydra's sweep failed: {error}", flush=True)
        return f"it failed: {str(error).strip().splitlines()[-1]}"


def _hydra(folder: Path, lrs: Sequence[float], given: argparse.Namespace) -> dict[str, float]:
    """Hydra's time, and that of cnnjobs right after it."""
    out = folder / "hydra"
    out.mkdir()
    settings = {"data": folder / "data", "out": out, "model": given.model, "epochs": given.epochs,
                "lr": ",".join(map(str, lrs)), "hydra.sweep.dir": out / "sweep"}  # fmt: skip
    if reports.gpu_name():
        settings["hydra.launcher.gpus_per_node"] = 1  # left out, submitit hides the GPU
    words = ["-m", "hydra/launcher=submitit_local", *(f"{key}={value}" for key, value in settings.items())]
    cost = commands.run([sys.executable, "-m", "benchmarks.hydra_run", *words], OMP_NUM_THREADS="1")
    if missing := [lr for lr in lrs if not _result(out, lr).exists()]:
        raise commands.CommandError(f"Hydra's runs with lr {missing} left no result")
    _compared([json.loads(_result(out, lr).read_text()) for lr in lrs], [folder / "pair0"], given.epochs)
    time.sleep(1)
    own = _cnnjobs(folder, "beside_hydra", lrs, given)
    return {"hydra_s": cost.seconds, "cnnjobs_s": own.seconds, "peak_mb": cost.peak_mb}


def _parts(numbers: dict[str, Any], data: str, given: argparse.Namespace) -> Iterator[str]:
    yield (
        f"{given.runs} runs of {given.model} over learning rates, {given.epochs} epochs each, {data}, float32. "
        f"A process of its own has no workers and {given.threads} threads for each run; cnnjobs: {numbers['how']}. "
        "Start-up included on all sides."
    )
    yield reports.table(
        ["what", "cnnjobs is so many times as fast", "seconds of the sweep", "memory of the largest process (MB)"],
        [*_rows(numbers, given.runs)],
    )
    told = ", ".join(f"{side} {accuracy:.3f}" for side, accuracy in numbers["accuracy"].items())
    yield f"Mean test accuracy of the same runs: {told}."


def _rows(numbers: dict[str, Any], runs: int) -> Iterator[list[object]]:
    seconds, peak = numbers["cnnjobs_s"], numbers["peak_mb"]
    missing = "not measured"
    yield ["one Python process after the other", spread(numbers["ratios"]), f"{sum(numbers['plain_s']):.0f}",
           f"{peak['plain']:.0f}"]  # fmt: skip
    if best := numbers["best setting"]:
        yield [f"the same with {best[0]} workers and {best[1]} threads, which trains fastest here",
               spread(numbers["best_ratios"]), f"{runs * fmean(numbers['best_s']):.0f}", missing]  # fmt: skip
    hydra = "hydra-submitit-launcher, local: all at once, one thread each"
    beside = numbers["hydra"]
    if isinstance(beside, str):
        yield [hydra, f"{missing}: {beside}", missing, missing]
    else:
        ratio = spread([beside["hydra_s"] / beside["cnnjobs_s"]])
        yield [hydra, ratio, f"{beside['hydra_s']:.0f}", f"{beside['peak_mb']:.0f}"]
    yield ["cnnjobs local", "1", f"{median(seconds):.0f}", f"{peak['cnnjobs']:.0f}"]


if __name__ == "__main__":
    main()
