"""Working folder of a program: in the folder that the sweep was started in, or in one of its run's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

# A program that writes over such a file has its own one; larger ones are data.
_MOST_COPIED: Final = 10_000_000
_MOST_FILES: Final = 5_000
_SKIPPED: Final = frozenset({"__pycache__", "wandb", "node_modules"})


def own_working_folder(project: Path, folder: Path, results: Path) -> None:
    """Fill a folder of the run's own with what the project has: links to folders and large files, copies of the others.

    What is there stays. The results are left out. Raises OSError.
    """
    folder.mkdir(exist_ok=True)
    for source in sorted(project.iterdir()):
        target = folder / source.name
        if os.path.lexists(target) or results.is_relative_to(source.resolve()):
            continue
        if source.is_file() and not source.is_symlink() and source.stat().st_size <= _MOST_COPIED:
            temporary = target.with_name(f".{target.name}.new")
            shutil.copy2(source, temporary)
            temporary.rename(target)
        else:
            target.symlink_to(source.resolve())


def written_since(project: Path, results: Path, since: float) -> list[str]:
    """Files of a folder that were written since then, by their names from there.

    Neither results nor hidden ones nor what Python and W&B keep for themselves; the upper ones first, and no more than
    a few thousand are looked at.
    """
    found: list[str] = []
    for file in islice(_files(project, results), _MOST_FILES):
        with suppress(OSError):
            if file.stat(follow_symlinks=False).st_mtime >= since:
                found.append(os.path.relpath(file.path, project))
    return found


def _files(project: Path, results: Path) -> Iterator[os.DirEntry[str]]:
    folders = [project]
    while folders:
        folder = folders.pop(0)
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                if entry.name.startswith(".") or entry.name in _SKIPPED:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if not results.is_relative_to(entry.path):
                        folders.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    yield entry


def open_for_writing(pid: int, project: Path) -> set[str]:
    """Files of a folder that a process has open for writing, by their names from there; none where nothing tells."""
    found = set()
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError, ValueError):
                file = link.readlink()
                if file.is_relative_to(project) and _is_written(pid, link.name):
                    found.add(str(file.relative_to(project)))
    return found


def _is_written(pid: int, number: str) -> bool:
    for line in Path(f"/proc/{pid}/fdinfo/{number}").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "flags":
            return int(value, 8) & os.O_ACCMODE != os.O_RDONLY
    return False
