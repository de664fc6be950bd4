"""Time that finished runs took to reach an accuracy that their test split confirms.

    python -m benchmarks.time_to_accuracy sweeps/task3.yaml --variants wide deep --targets 0.75 0.80
    python -m benchmarks.time_to_accuracy --train           # train them first, one at a time: an hour on a CPU

Read from metrics.jsonl: the training time up to the first validation at or above the target, counted only for runs
whose test accuracy, read once at the end, is not below it either. Speed that costs accuracy does not count.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks import commands, reports
from benchmarks.interleaved import spread
from cnnjobs.components.data.datasets import data_folders, find_data
from cnnjobs.disk.run_folder import RunState, RunStore
from cnnjobs.errors import DataError
from cnnjobs.sweep.file import SweepRun, read_sweep

_ACCURACY: Final = "validation.accuracy"


def main(words: Sequence[str] | None = None) -> None:
    """Read and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path, nargs="?", default=Path("sweeps/task3.yaml"), help="a sweep file")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where its runs are")
    parser.add_argument("--variants", nargs="*", default=["wide", "deep"], help="none: all")
    parser.add_argument("--targets", nargs="+", type=float, default=[0.75, 0.80])
    parser.add_argument("--train", action="store_true", help="train these runs now, one at a time, and read those")
    parser.add_argument("--data-dir", type=Path, help="where data sets are looked for first")
    parser.add_argument("--reports", type=Path, help="where the report goes")
    given = parser.parse_args(words)
    sweep = read_sweep(given.sweep)
    runs = [run for run in sweep.runs if not given.variants or run.variant in given.variants]
    if unknown := sorted({*given.variants} - {run.variant for run in runs}):
        parser.error(f"--variants: {given.sweep} has none called {' or '.join(unknown)}")
    with tempfile.TemporaryDirectory() as scratch:
        if given.train:
            try:
                find_data(runs[0].config.dataset.name, data_folders(given.data_dir))
            except DataError as error:
                print(f"time to accuracy is left out: {error}")
                return
            given.results = _trained(Path(scratch), runs, given)
        store = RunStore(given.results / sweep.name)
        found = [_times(store, run, given.targets) for run in runs]
    finished = [each for each in found if each is not None]
    if not finished:
        print(
            f"{store.path}: no run has finished; time to accuracy is left out (cnnjobs local {given.sweep} makes them)"
        )
        return
    how = "trained one at a time" if given.train else "others may have trained on the machine beside it"
    parts = [
        f"Training and validation time of each run, as its metrics.jsonl holds it ({how}), start-up and the final "
        "evaluation left out; medians over seeds with quartiles and their number. A run whose test accuracy is below "
        "the target has not reached it.",
        _table(finished, given.targets),
        *([f"{len(found) - len(finished)} runs have not finished and are left out."] if None in found else []),
        "On a GPU: not measured." if not any("cuda" in each["device"] for each in finished) else "",
    ]
    reports.write("time-to-accuracy", "Time to accuracy", [part for part in parts if part], finished, given.reports)


def _trained(folder: Path, runs: Sequence[SweepRun], given: argparse.Namespace) -> Path:
    """The results folder of these runs, trained now. Raises CommandError."""
    from ruamel.yaml import YAML

    yaml = YAML()
    asked = yaml.load(given.sweep)
    wanted = {run.variant for run in runs}
    for name in [name for name in asked.get("variants", {}) if name not in wanted]:
        del asked["variants"][name]
    for key in ("compare", "report"):  # of variants that are gone, maybe
        asked.pop(key, None)
    asked["job"] = {"max_parallel": 1, "stack": "off"}
    file = folder / given.sweep.name
    yaml.dump(asked, file)
    data = ["--data-dir", str(given.data_dir)] if given.data_dir else []
    commands.run([*commands.CNNJOBS, "local", str(file), "--results", str(folder / "results"), "--no-report", *data])
    return folder / "results"


def _times(store: RunStore, run: SweepRun, targets: Sequence[float]) -> dict[str, Any] | None:
    """Seconds to each target, None where it is not reached; None for a run that has not finished."""
    folder = store.run(run.run_id)
    record = folder.read_record()
    if record.state is not RunState.FINISHED:
        return None
    lines = [line for line in folder.read_metrics() if _ACCURACY in line]
    test = record.metrics["test.accuracy"]
    reached = {
        target: next((line["seconds"] for line in lines if line[_ACCURACY] >= target), None) if test >= target else None
        for target in targets
    }
    last = record.attempts[-1]
    return {"run_id": run.run_id, "label": run.variant or run.label, "seconds": reached, "test.accuracy": test,
            "device": f"{last.device or 'unknown'}, {last.threads} threads"}  # fmt: skip


def _table(found: Sequence[dict[str, Any]], targets: Sequence[float]) -> str:
    rows = []
    for label in dict.fromkeys((each["label"], each["device"]) for each in found):
        own = [each for each in found if (each["label"], each["device"]) == label]
        rows.append(
            [*label, *(_cell(own, target) for target in targets), spread([each["test.accuracy"] for each in own])]
        )
    return reports.table(
        ["design", "device", *(f"seconds to {target:.2f}" for target in targets), "test accuracy"], rows
    )


def _cell(own: Sequence[dict[str, Any]], target: float) -> str:
    times = [each["seconds"][target] for each in own if each["seconds"][target] is not None]
    missed = f"; {len(own) - len(times)} did not reach it" if len(times) < len(own) else ""
    return f"{spread(times) if times else 'none'}{missed}"


if __name__ == "__main__":
    main()
