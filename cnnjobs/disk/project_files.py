"""The source files of a project, as a program of the user's own may need any of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cnnjobs.errors import InputError
from cnnjobs.system.opening import read_bytes

MOST_BYTES: Final = 1 << 20
# In the folder of a sweep: which files of the working folder its programs have written, a line for each attempt.
WRITTEN: Final = ".written"
_GIT_S: Final = 20
_SUFFIXES: Final = frozenset({
    ".py", ".pyx", ".pyi", ".sh", ".bash", ".zsh", ".r", ".jl", ".lua", ".m", ".pl", ".rb", ".js", ".go", ".rs", ".f90",
    ".c", ".cc", ".cpp", ".cu", ".cuh", ".h", ".hpp", ".yaml", ".yml", ".json", ".toml", ".cfg", ".ini", ".conf",
    ".gin", ".txt",
})  # fmt: skip
# Made by runs, by tools or by installers, never by hand.
_NOT_SOURCE: Final = frozenset({
    "data", "results", "jobs", "sweeps", "wandb", "mlruns", "lightning_logs", "tb_logs", "runs", "outputs",
    "checkpoints", "node_modules", "__pycache__", "build", "dist", "site-packages",
})  # fmt: skip
_SWEEP: Final = (
    re.compile(rb"^method\s*:", re.MULTILINE),
    re.compile(rb"^(parameters|program)\s*:", re.MULTILINE),
)


@dataclass(frozen=True)
class ProjectFiles:
    """Files by their names from the project folder, and `notes` on what was left out."""

    files: dict[str, Path] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def project_files(project: Path, program: str | None, results: Path) -> ProjectFiles:
    """The program and the source files around it: those that git does not ignore, or where there is no git all.

    Sweep files, data, results, what runs have written and what is larger than MOST_BYTES is left out.
    Raises InputError.
    """
    found: dict[str, Path] = {}
    large: list[str] = []
    written = written_by_runs(project, results)
    for name in _listed(project):
        file = project / name
        if not _is_source(name) or name in written or not file.is_file() or _is_sweep(file):
            continue
        if file.stat().st_size > MOST_BYTES:
            large.append(name)
        else:
            found[name] = file
    if program and not Path(program).is_absolute():
        name, file = os.path.normpath(program), project / program
        if not name.startswith("..") and file.is_file():
            found[name] = file
    notes = (f"not copied, as over {MOST_BYTES >> 20} MB: {', '.join(sorted(large)[:3])}",) if large else ()
    return ProjectFiles(dict(sorted(found.items())), notes)


def written_by_runs(project: Path, results: Path) -> set[str]:
    """Files of the project that programs were seen to write, by their names from there."""
    names: set[str] = set()
    for file in results.glob(f"*/{WRITTEN}"):
        with suppress(OSError, ValueError, AttributeError, TypeError):
            for line in map(json.loads, read_bytes(file).splitlines()):
                names.update(line["opened"] if line["folder"] == str(project.resolve()) else ())
    return names


def _listed(project: Path) -> Iterator[str]:
    """The names of all files that may be source, from the project folder."""
    command = ["git", "-C", str(project), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, check=False, timeout=_GIT_S)
    except (OSError, subprocess.TimeoutExpired):
        listed = None
    if listed is not None and listed.returncode == 0:
        yield from dict.fromkeys(os.fsdecode(name) for name in listed.stdout.split(b"\0") if name)
        return
    for folder, below, files in os.walk(project):
        # An environment of Python says so.
        below[:] = [name for name in below if _may_hold_source(name) and not Path(folder, name, "pyvenv.cfg").exists()]
        yield from (os.path.relpath(Path(folder, name), project) for name in files)


def _may_hold_source(name: str) -> bool:
    return not name.startswith(".") and name not in _NOT_SOURCE


def _is_source(name: str) -> bool:
    path = Path(name)
    return path.suffix.lower() in _SUFFIXES and all(map(_may_hold_source, path.parts))


def _is_sweep(file: Path) -> bool:
    if file.suffix not in (".yaml", ".yml") or file.stat().st_size > MOST_BYTES:
        return False
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    return all(pattern.search(content) for pattern in _SWEEP)
