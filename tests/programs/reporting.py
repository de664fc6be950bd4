"""A program that runs as one of a sweep does, and what is found of what it reports."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnjobs.programs.metrics.collector import Collector
from cnnjobs.programs.metrics.collector import variables as variables_of
from cnnjobs.programs.reported import ProgramPlaces, Reported


@dataclass(frozen=True)
class Ran:
    """Traces of a program: its exit code, its output, its reports, and notes on them."""

    code: int
    output: str
    found: list[Reported]
    sources: tuple[str, ...]
    notes: tuple[str, ...]

    def series(self, name: str) -> list[tuple[float | None, Any]]:
        """The values of a metric by step, in the order in which they came."""
        return [(one.step, one.metrics[name]) for one in self.found if name in one.metrics]


def places(folder: Path, *, working: Path | None = None) -> ProgramPlaces:
    """The folders of a run in `folder`, made."""
    outputs, checkpoints = folder / "run", folder / "run" / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    work = working or folder
    return ProgramPlaces("ab12", "sweep", 1, outputs, checkpoints, outputs / "reported.jsonl", work, time.time())


def variables(where: ProgramPlaces, parameters: str = "", **more: str) -> dict[str, str]:
    """The environment that a program of ours starts with, as far as its metrics go."""
    parameter_file = where.outputs / "parameters.yaml"
    parameter_file.write_text(f"wandb_version: 1\n{parameters}")
    given = {
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "WANDB_DIR": str(where.outputs),
        "WANDB_RUN_ID": where.run_id,
        "WANDB_SWEEP_PARAM_PATH": str(parameter_file),
        "CNNJOBS_RUN_DIR": str(where.outputs),
        "CNNJOBS_METRICS": str(where.metrics_file),
        **more,
    }
    return {**os.environ, **given, **variables_of(where, {**os.environ, **given})}


def run(
    folder: Path,
    program: str | Sequence[str],
    *,
    python: str | None = None,
    parameters: str = "",
    more: Mapping[str, str] | None = None,
    **how: Any,
) -> Ran:
    """Execute a program (its Python text, or a command line) in `folder`, and collect."""
    where = places(folder)
    if isinstance(program, str):
        (folder / "train.py").write_text(program)
        program = [python or sys.executable, "train.py"]
    collector = Collector(where, **how)
    done = subprocess.run(
        program,
        cwd=folder,
        env=variables(where, parameters, **(more or {})),
        capture_output=True,
        text=True,
        check=False,
    )
    for line in done.stdout.splitlines():
        collector.hear(line)
    found = collector.poll() + collector.close()
    return Ran(done.returncode, done.stdout + done.stderr, found, collector.sources, collector.notes)
