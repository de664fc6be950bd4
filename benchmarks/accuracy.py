"""Accuracy of the fast path: bfloat16 and float32 of cnnjobs, and the sources' loop in plain float32.

    python -m benchmarks.accuracy                       # hours on a CPU: no part of `make bench`
    python -m benchmarks.accuracy --seeds 2 --epochs 1 --sides bfloat16 float32

The CNN of Table 2 on CIFAR-10 with the recipe of sweeps/task2.yaml (SGD, learning rate 0.05, batches of 64, no
augmentation), as many epochs on every side, the test split read once with the weights of the best validation. Both
precisions of cnnjobs start from the same weights and see the same batches: their difference is paired by seed. The
sources' loop shares the images and the splits alone: its runs are paired in no particular order.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks import arrays, commands, reports
from cnnjobs.components.data.datasets import data_folders
from cnnjobs.disk.run_folder import RunState, RunStore
from cnnjobs.report.results.statistics import Summary, summarise
from cnnjobs.sweep.file import read_sweep

SIDES: Final = ("bfloat16", "float32", "sources")
_LR: Final = 0.05
_SWEEP: Final = """\
name: accuracy
method: grid
base:
  dataset: {{name: "benchmarks.arrays:arrays", folder: "{data}"}}
  model: {model}
  optimizer: sgd
  lr: {lr}
  epochs: {epochs}
parameters:
  precision: {{values: {precisions}}}
seeds: {seeds}
"""


def main(words: Sequence[str] | None = None) -> None:
    """Train, compare and report."""
    parser = _parser()
    given = parser.parse_args(words)
    if given.keep and (told := _kept_otherwise(given)):
        parser.error(told)
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        data = arrays.write(folder / "data", data_folders(given.data_dir), "colour", 32, given.images)
        reached = _ours(folder, given)
        if "sources" in given.sides:
            reached["sources"] = [_plain(folder, seed, given) for seed in range(given.seeds)]
    title = (
        f"Test accuracy in percent, {given.model}, {given.epochs} epochs, {data}: mean, standard deviation and 95 % t "
        f"interval over {given.seeds} seeds."
    )
    parts = [title, _table(reached), "On a GPU: not measured." if reports.gpu_name() is None else ""]
    reports.write("accuracy", "Accuracy of the fast path", [part for part in parts if part], reached, given.reports)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--images", type=int, help="training images; default: all")
    parser.add_argument("--model", default="cnn")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where the runs are kept; asked again, it goes on")
    parser.add_argument("--data-dir", type=Path, help="where data sets are looked for first")
    parser.add_argument("--reports", type=Path, help="where the report goes")
    return parser


def _kept_otherwise(given: argparse.Namespace) -> str | None:
    """Why what is kept does not belong to these settings; None where it does, which is noted there."""
    noted, wanted = given.keep / "settings.json", {key: getattr(given, key) for key in ("model", "epochs", "images")}
    found = json.loads(noted.read_text(encoding="utf-8")) if noted.exists() else wanted
    if found != wanted:
        return f"--keep {given.keep}: found runs with {found}, not with {wanted}; name another folder"
    given.keep.mkdir(parents=True, exist_ok=True)
    noted.write_text(json.dumps(wanted), encoding="utf-8")
    return None


def _ours(folder: Path, given: argparse.Namespace) -> dict[str, list[float]]:
    """Test accuracy by precision, in the order of the seeds. Raises CommandError when a run did not finish."""
    precisions = [side for side in given.sides if side != "sources"]
    if not precisions:
        return {}
    file = folder / "accuracy.yaml"
    text = _SWEEP.format(
        data=folder / "data", model=given.model, lr=_LR, epochs=given.epochs, precisions=precisions, seeds=given.seeds
    )
    file.write_text(text, encoding="utf-8")
    commands.run([*commands.CNNJOBS, "local", str(file), "--results", str(folder / "results"), "--no-report"])
    store = RunStore(folder / "results" / "accuracy")
    reached: dict[str, list[float]] = {precision: [] for precision in precisions}
    for run in sorted(read_sweep(file).runs, key=lambda run: run.config.seed):
        record = store.run(run.run_id).read_record()
        if record.state is not RunState.FINISHED or record.epochs_done != given.epochs:
            raise commands.CommandError(f"{run.run_id}: {record.state} after {record.epochs_done} epochs")
        reached[run.config.precision].append(record.metrics["test.accuracy"])
    return reached


def _plain(folder: Path, seed: int, given: argparse.Namespace) -> float:
    out = folder / f"sources-{seed}.json"
    if not out.exists():
        options = {"data": folder / "data", "model": given.model, "lr": _LR, "epochs": given.epochs,
                   "momentum": 0, "seed": seed, "out": out}  # fmt: skip
        words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        commands.run([sys.executable, "-m", "benchmarks.plain_run", "--no-augmentation", *words])
    return float(json.loads(out.read_text(encoding="utf-8"))["metrics"]["test.accuracy"])


def _table(reached: dict[str, list[float]]) -> str:
    rows = [[side, *_cells(summarise([100 * value for value in own]))] for side, own in reached.items()]
    fastest = next(iter(reached))
    for other in [*reached][1:]:
        differences = [100 * (own - its) for own, its in zip(reached[fastest], reached[other], strict=True)]
        rows.append([f"{fastest} less {other}", *_cells(summarise(differences))])
    return reports.table(["side", "mean", "sd", "95 % interval", "n"], rows)


def _cells(found: Summary) -> list[str]:
    return [f"{found.mean:.2f}", f"{found.sd:.2f}", f"{found.low:.2f} to {found.high:.2f}", str(found.n)]


if __name__ == "__main__":
    main()
