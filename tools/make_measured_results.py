"""Makes results/README.md: what the sweeps of this repository measured on the full data sets.

It reads the reports and the records of finished sweeps: one table per sweep, a row per configuration, with where, when
and with what it was measured.

    cnnjobs local sweeps/task3.yaml          # or cnnjobs sweep, then cnnjobs report
    python tools/make_measured_results.py [RESULTS]

The default folder is results/. Sweeps that are not there keep what the page tells of them.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent / "results" / "README.md"
# Reports that are kept as examples.
REPORTS = PAGE.parent.parent / "docs" / "reports"
HEADER = """# Measured

What the sweeps of `sweeps/` gave on the full data sets, a row per configuration. Accuracies are those of the whole
split, with the weights of the lowest validation loss of each run, or the last ones where all images are trained on;
mean ± standard deviation (ddof 1) over n seeds, and the lowest and the highest seed. The test split was read once per
run. Written by `python tools/make_measured_results.py`.

CIFAR-10 here is a copy whose images went through JPEG (quality about 75), so accuracies may lie a little below
published ones.
"""
COLUMNS = ("configuration", "test accuracy", "lowest to highest", "n", "validation accuracy", "train loss", "epochs")


def main(results: Path) -> None:
    """Write the page from every sweep below `results` that has a report."""
    measured = [folder for folder in results.iterdir() if (folder / "report/results.csv").is_file()]
    sections = _told() | {folder.name: _section(folder) for folder in measured}
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n".join([HEADER, *(sections[name] for name in sorted(sections))]), encoding="utf-8")
    print(f"{len(measured)} of {len(sections)} sweeps in {PAGE} are from {results}")


def _told() -> dict[str, str]:
    """The sections of the page as it is, by sweep."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0]: f"## {part.rstrip()}\n" for part in parts}


def _section(folder: Path) -> str:
    runs = [run for run in _rows(folder / "report/results.csv") if run["state"] == "finished"]
    records = [json.loads((folder / run["run_id"] / "record.json").read_text(encoding="utf-8")) for run in runs]
    configurations = _rows(folder / "report/tables/results.csv")
    keys = [key for key in configurations[0] if key in runs[0]] if runs else []
    grouped: dict[tuple[str, ...], list[dict[str, str]]] = defaultdict(list)
    for run in runs:
        grouped[tuple(run[key] for key in keys)].append(run)
    lines = [_line(each, grouped[tuple(each[key] for key in keys)]) for each in configurations]
    table = [COLUMNS, ("---",) * len(COLUMNS), *lines]
    rows = "\n".join(f"| {' | '.join(row)} |" for row in table)
    kept = REPORTS / f"{folder.name}.pdf"
    report = f" ([report](../docs/reports/{kept.name}))" if kept.exists() else ""
    return f"## {folder.name}\n\n`cnnjobs local sweeps/{folder.name}.yaml`{report}; {_origin(records)}\n\n{rows}\n"


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def _line(configuration: dict[str, str], runs: list[dict[str, str]]) -> tuple[str, ...]:
    if not runs:
        return (configuration["configuration"], *("–",) * (len(COLUMNS) - 1))
    seeds = sorted(float(run["test.accuracy"]) for run in runs)
    epochs = sorted({float(run["epochs_done"]) for run in runs})
    return (
        configuration["configuration"],
        _mean(configuration, "test.accuracy"),
        f"{100 * seeds[0]:.2f} to {100 * seeds[-1]:.2f} %",
        str(len(runs)),
        _mean(configuration, "validation.accuracy"),
        f"{float(configuration['train.loss.mean']):.3f}",
        f"{epochs[0]:.4g}" if len(epochs) == 1 else f"{epochs[0]:.4g} to {epochs[-1]:.4g}",
    )


def _mean(configuration: dict[str, str], metric: str) -> str:
    mean, sd = configuration[f"{metric}.mean"], configuration[f"{metric}.sd"]
    if not mean:
        return "–"
    return f"{100 * float(mean):.2f} ± {100 * float(sd):.2f} %" if sd else f"{100 * float(mean):.2f} %"


def _origin(records: list[dict[str, Any]]) -> str:
    """Commit, day, machine and versions of the runs, each as often as it differs."""
    last = [record["attempts"][-1] for record in records]
    told = {
        "commit": {record["git_commit"][:7] + ("+changes" if record["git_dirty"] else "") for record in records},
        "on": {attempt["started"][:10] for attempt in last},
        "device": {_device(attempt, record) for attempt, record in zip(last, records, strict=True)},
        "torch": {record["versions"]["torch"] for record in records},
        "Python": {record["versions"]["python"] for record in records},
    }
    return ", ".join(f"{name} {' and '.join(sorted(values))}" for name, values in told.items())


def _device(attempt: dict[str, Any], record: dict[str, Any]) -> str:
    if attempt["device"] != "cpu":
        return str(attempt["device"])
    threads = attempt["threads"]
    return f"{record['versions']['processor']}, {threads} thread{'s' if threads > 1 else ''} a run"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("results"))
