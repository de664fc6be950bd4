"""Time and memory of the report of a large sweep: made-up runs, written as training writes them.

    python benchmarks/report_scale.py /tmp/large                      # 1,000 configurations x 3 seeds x 50 epochs
    python benchmarks/report_scale.py /tmp/large --format html

The runs are made where there are none, about 600 MB of them; then `cnnjobs report` is timed as a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from cnnjobs.disk.record import Attempt, RunRecord, RunState
from cnnjobs.disk.run_folder import RunFolder, RunStore
from cnnjobs.sweep.file import SweepRun, read_sweep

STEPS_PER_EPOCH: Final = 750
_WINDOWS: Final = 50
_TEXT: Final = """\
name: scale
base: {{dataset: cifar10, model: cnn, epochs: {epochs}}}
parameters:
  lr: {{values: {lrs}}}
  weight_decay: {{values: [0.0, 1.0e-5, 3.0e-5, 1.0e-4, 2.0e-4, 5.0e-4, 1.0e-3, 2.0e-3, 5.0e-3, 1.0e-2]}}
  batch_size: {{values: [16, 24, 32, 48, 64, 96, 128, 192, 256, 512]}}
method: grid
seeds: {seeds}
"""


def main() -> None:
    """Make the runs, then time the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="the results folder that is filled and reported")
    parser.add_argument("--hundreds", type=int, default=10, help="hundreds of configurations")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--format", default="html,pdf,md", help="as `cnnjobs report` takes it")
    given = parser.parse_args()
    store = RunStore(given.results / "scale")
    if not store.sweep_file.exists():
        make(store, hundreds=given.hundreds, seeds=given.seeds, epochs=given.epochs)
    measure(store, given.format)


def make(store: RunStore, *, hundreds: int, seeds: int, epochs: int) -> None:
    """Write the sweep and every run of it, finished."""
    store.path.mkdir(parents=True, exist_ok=True)
    lrs = [round(0.5 * 0.6**number, 6) for number in range(hundreds)]
    part = store.path / ".sweep.yaml"
    part.write_text(_TEXT.format(epochs=epochs, lrs=lrs, seeds=seeds), encoding="utf-8")
    for run in read_sweep(part).runs:
        write_finished(store.run(run.run_id), run)
    part.rename(store.sweep_file)


def write_finished(folder: RunFolder, run: SweepRun) -> None:
    """A run as it lies there after its training."""
    draws = random.Random(run.run_id)
    config = run.config
    best = 0.85 - abs(config.lr - 0.05) - 0.02 * (config.batch_size > 100) + draws.gauss(0, 0.01)
    lines = [_line(number, best, config.lr, draws) for number in range(1, config.epochs + 1)]
    lowest = min(lines, key=lambda line: line["validation.loss"])
    metrics = {f"{split}.{name}": lowest[f"validation.{name}"] for split in ("train", "validation", "test")
               for name in ("loss", "accuracy")}  # fmt: skip
    stamp = "2026-03-01T09:00:00+00:00"
    attempt = Attempt(number=1, host="node7", pid=11, threads=2, started=stamp, ended=stamp, seconds=12.0 * len(lines))
    record = RunRecord(
        run_id=run.run_id,
        state=RunState.FINISHED,
        attempts=(attempt,),
        versions={"python": "3.11.2", "torch": "2.15.0"},
        planned_epochs=config.epochs,
        epochs_done=config.epochs,
        best_epoch=lowest["epoch"],
        metrics=metrics,
        input_shape=(3, 32, 32),
        classes=tuple("0123456789"),
        num_images={"train": 45000, "validation": 5000, "test": 10000},
    )
    folder.path.mkdir(parents=True, exist_ok=True)
    nested = "".join(f"{key}: {json.dumps(value)}\n" for key, value in config.nested().items())
    folder.config_file.write_text(nested, encoding="utf-8")
    folder.record_file.write_text(record.model_dump_json(indent=1), encoding="utf-8")
    folder.metrics_file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")


def _line(epoch: int, best: float, lr: float, draws: random.Random) -> dict[str, Any]:
    """The validation after an epoch, with the windows of its training."""
    steps = [STEPS_PER_EPOCH * (epoch - 1) + (number + 1) * STEPS_PER_EPOCH // _WINDOWS for number in range(_WINDOWS)]
    accuracy = [best * (1 - 0.8 / (1 + step / STEPS_PER_EPOCH)) + 0.03 * draws.random() for step in steps]
    loss = [2.4 - 2.3 * value for value in accuracy]
    reached = best * (1 - 0.8 / (1 + epoch)) + 0.01 * draws.random()
    return {
        "attempt": 1, "step": steps[-1], "epoch": float(epoch), "seconds": 12.0 * epoch, "lr": lr,
        "images_per_s": 3750.1234567, "train.loss": sum(loss) / _WINDOWS, "train.accuracy": sum(accuracy) / _WINDOWS,
        "windows": {"step": steps, "loss": loss, "sd": [0.1 + 0.1 * draws.random() for _ in steps],
                    "accuracy": accuracy},
        "validation.loss": 2.4 - 2.3 * reached + 0.002 * epoch, "validation.accuracy": reached,
    }  # fmt: skip


def measure(store: RunStore, formats: str) -> None:
    """Run the command and say what it took."""
    words = ["report", "scale", "--results", str(store.path.parent), "--format", formats]
    code = "import sys; from cnnjobs.cli.main import run; sys.argv[0] = 'cnnjobs'; run()"
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code, *words], check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - started
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    page = store.report_folder / "report.html"
    print(f"wall {seconds:.1f} s, processor {usage.ru_utime + usage.ru_stime:.1f} s")
    print(f"peak memory {usage.ru_maxrss / 1024:,.0f} MB in the largest process")
    print(f"report.html {page.stat().st_size / 1e6:.1f} MB")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
