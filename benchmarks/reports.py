"""Dated reports: what was measured, on what machine, with what versions."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any, Final

REPORTS: Final = Path(__file__).parent / "reports"
# Before anything is measured: later it is that of the benchmarks themselves.
_LOAD: Final = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
_PACKAGES: Final = (
    "cnnjobs",
    "torch",
    "torchvision",
    "lightning",
    "hydra-core",
    "hydra-submitit-launcher",
    "submitit",
    "optuna",
)


def machine() -> dict[str, Any]:
    """Processor, cores, load before the first benchmark, GPU and versions; never the name of the machine."""
    import torch

    from cnnjobs.launch.plan.resources import allowed_cores
    from cnnjobs.system.origin import git_state
    from cnnjobs.training.loop.provenance import processor

    found: dict[str, Any] = {"processor": processor(), "cores": allowed_cores(), "gpu": gpu_name() or "none"}
    found["load"] = _LOAD
    if gpu_name():
        found["CUDA"] = torch.version.cuda
    found["python"] = platform.python_version()
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    commit, dirty = git_state(Path(__file__).parent)
    return found | {"commit": f"{commit[:7]}{' with changes' if dirty else ''}" if commit else "none"}


def gpu_name() -> str | None:
    """The GPU that torch would use; None where there is none."""
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None


def choose_device(parser: argparse.ArgumentParser, asked: str | None) -> str:
    """Device that was asked for, or the GPU where there is one; ends the command where a GPU was asked for in vain."""
    found = "cuda" if gpu_name() else "cpu"
    if asked == "cuda" != found:
        parser.error("--device cuda: torch finds no GPU here; leave it out to measure on the CPU")
    return asked or found


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table whose columns also line up on a terminal."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
             for row in cells]  # fmt: skip
    return "\n".join([lines[0], "| " + " | ".join("-" * width for width in widths) + " |", *lines[1:]])


def write(name: str, title: str, parts: Sequence[str], numbers: Any, folder: Path | None = None) -> Path:
    """Print the parts, and keep them with all numbers as `<date>-<name>.md` and `.json`, beside those of before."""
    about = machine()
    told = ", ".join(f"{key} {value}" for key, value in about.items())
    text = "\n\n".join([f"# {title}", told, *parts]) + "\n"
    folder = folder or REPORTS
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{date.today().isoformat()}-{name}"
    names = (f"{stem}.md" if number == 1 else f"{stem}-{number}.md" for number in itertools.count(1))
    page = next(folder / each for each in names if not (folder / each).exists())
    page.write_text(text, encoding="utf-8")
    plain = json.dumps({"machine": about, "numbers": numbers}, indent=1, default=_plain)
    page.with_suffix(".json").write_text(plain + "\n", encoding="utf-8")
    print(f"{text}\nwritten: {page} and .json", flush=True)
    return page


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
