"""Manifest of a report: its files with their hashes, its runs, and the versions that made it."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from cnnjobs.disk.files import write_whole
from cnnjobs.report.results.table import ResultsTable
from cnnjobs.report.text.blocks import Pictures, Report
from cnnjobs.system.opening import read_bytes

NAME: Final = "manifest.json"
_DATA: Final = ("results.csv", "history.csv", "evaluations.csv", "best.yaml")
_OF_A_PICTURE: Final = (".csv", ".json", ".npz", ".png", ".svg")
_PACKAGES: Final = ("cnnjobs", "matplotlib", "numpy", "pandas", "torch", "typst")


def files(folder: Path, report: Report, prefixes: Sequence[str], pages: Sequence[str]) -> list[Path]:
    """Every file of the report but the manifest: the data and tables of each sweep, and all figures."""
    found = [folder / name for name in pages]
    for prefix in prefixes:
        found += [folder / prefix / name for name in _DATA]
        found += (folder / prefix / "tables").glob("*.*")
    found += (folder / "figures").glob("notes-*")
    found += (folder / "tables").glob("*.*")
    for block in report.blocks():
        for picture in block.items if isinstance(block, Pictures) else ():
            found += [folder / f"{picture.place}{suffix}" for suffix in _OF_A_PICTURE]
    return sorted({file for file in found if file.is_file()})


def write(folder: Path, found: Sequence[Path], tables: Sequence[ResultsTable], command: str) -> None:
    """Write the manifest of these files: nothing in it depends on when or where. Raises StorageError."""
    content = {
        "command": command,
        "versions": {"python": platform.python_version(), **_versions()},
        "runs": {
            table.sweep.name: {run_id: record.state.value for run_id, record in table.records.items()}
            for table in tables
        },
        "files": {file.relative_to(folder).as_posix(): _hash(file) for file in found},
    }
    write_whole(folder / NAME, json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n")


def read(folder: Path) -> Mapping[str, str]:
    """The files of an earlier report with their hashes; none where there is no manifest that can be read."""
    try:
        content: Any = json.loads(read_bytes(folder / NAME))
    except (OSError, ValueError, RecursionError):
        return {}
    found = content.get("files") if isinstance(content, dict) else None
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def remove_others(folder: Path, earlier: Mapping[str, str], kept: Sequence[Path]) -> None:
    """Remove what an earlier report wrote and this one has not, as long as nobody has changed it since."""
    for name, value in earlier.items():
        file = folder / name
        parts = Path(name).parts
        # The figures of a network, which took long, lie where `cnnjobs figures` has put them.
        ours = not Path(name).is_absolute() and ".." not in parts and not (parts[0] == "figures" and len(parts) > 2)
        if ours and file not in kept and file.is_file() and _hash(file) == value:
            file.unlink()
            with suppress(OSError):
                file.parent.rmdir()


def _hash(file: Path) -> str:
    return hashlib.sha256(read_bytes(file)).hexdigest()


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
