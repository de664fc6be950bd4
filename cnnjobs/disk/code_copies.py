"""The code that runs are trained with: copied once when they are submitted, compared whenever they are looked at again.

results/<sweep>/code/
  <hash>/   modules of the user's own and what belongs to them, as they were; never changed
  latest    the hash of the copy that the sweep was last started with
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from cnnjobs.config.kinds import AnyConfig, networks
from cnnjobs.config.program import ProgramConfig
from cnnjobs.disk.code_walk import Reached, imported_modules, reached, read_file
from cnnjobs.disk.files import write_whole
from cnnjobs.disk.project_files import project_files, written_by_runs
from cnnjobs.errors import InputError, storage_error
from cnnjobs.system.opening import read_bytes, read_words

_DIGITS: Final = 16
_MOST_FILES: Final = 2000
_MOST_BYTES: Final = 64 << 20
MEND: Final = (
    "put it back, or start the sweep again: that writes it anew where your code is still the same, and with --code new"
    " trains its runs again where it is not"
)
_SKIPPED: Final = ("__pycache__",)


@dataclass(frozen=True)
class Code:
    """Files by their names in a copy; `paths` is where the user has them, `listed` are those that `code:` names."""

    contents: Mapping[str, bytes]
    paths: Mapping[str, Path] = field(default_factory=dict)
    listed: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    @cached_property
    def hash(self) -> str:
        """The beginning of a SHA-256 over the names and contents of all files."""
        digest = hashlib.sha256()
        for name, content in sorted(self.contents.items()):
            digest.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
        return digest.hexdigest()[:_DIGITS]


def collect(configs: Iterable[AnyConfig], listed: Mapping[str, str], project: Path, results: Path) -> Code | None:
    """The user's own code of these runs as it is now; None where there is none.

    `listed` are the entries of `code:`, each with its place in the sweep file. Raises InputError.
    """
    configs = list(configs)
    programs = [config for config in configs if isinstance(config, ProgramConfig)]
    modules = imported_modules(networks(configs))
    if not modules and not programs:
        return None
    if programs:
        whole = project_files(project, programs[0].program, results)
        found = Reached(whole.files, dict.fromkeys(whole.notes, ""))
    else:
        found = reached(modules, project)
    extra = {name: file for item, place in listed.items() for name, file in _listed(item, place, project, results)}
    files = {**found.files, **extra}
    contents = {name: read_file(file) for name, file in files.items()}
    if not contents:
        return None
    if len(files) > _MOST_FILES or sum(map(len, contents.values())) > _MOST_BYTES:
        place = next(iter(listed.values()), "model")
        size = f"{len(files):,} files, {sum(map(len, contents.values())) / 1e6:.0f} MB"
        limit = f"allowed: {_MOST_FILES:,} files and {_MOST_BYTES >> 20} MB; data belongs into the data folder"
        raise InputError(f"{place}: the code of the runs would be {size}; {limit}")
    tops = {name.partition("/")[0].partition(".")[0] for name in extra}
    notes = tuple(note for note, about in found.notes.items() if about not in extra and about not in tops)
    return Code(contents, files, frozenset(extra), notes)


def _listed(item: str, place: str, project: Path, results: Path) -> Iterator[tuple[str, Path]]:
    """The files of an entry of `code:`, by their names from the project folder, else from its own name."""
    path = project / item
    if not path.exists():
        raise InputError(f"{place}: found `{item}`: no such file or folder in {project}; correct or remove it")
    start = project if Path(os.path.normpath(path)).is_relative_to(project) else path.parent
    path = Path(os.path.normpath(path))
    if results.absolute().is_relative_to(path) or path.is_relative_to(results.absolute()):
        raise InputError(f"{place}: found `{item}`: it holds the results; name the modules or files that runs import")
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        parts = file.relative_to(path).parts
        if file.is_file() and not any(part in _SKIPPED or part.startswith(".") for part in parts):
            yield file.relative_to(Path(os.path.normpath(start))).as_posix(), file


class CodeCopies:
    """The copies of one sweep."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.latest_file = path / "latest"

    def folder(self, hash: str) -> Path:
        """The copy of that hash."""
        return self.path / hash

    def here(self, hash: str | None) -> Path | None:
        """The copy of that hash if it is there as it was."""
        return self.folder(hash) if hash and not self.damage(hash) else None

    def damage(self, hash: str) -> str:
        """Damage to a copy; nothing where it is whole."""
        folder = self.folder(hash)
        if not folder.is_dir():
            return f"{folder}: the copy of the code that runs were submitted with is gone"
        if _digest_then(folder) != hash:
            return f"{folder}: the copy of the code that runs were submitted with has been changed"
        return ""

    def hashes(self) -> list[str]:
        """Every copy that is there."""
        return sorted(each.name for each in self.path.glob("[0-9a-f]*") if len(each.name) == _DIGITS)

    def latest(self) -> str | None:
        """The copy that the sweep was last started with."""
        with suppress(OSError):
            hash = read_words(self.latest_file)
            return hash if hash in self.hashes() else None
        return None

    def keep(self, code: Code | None) -> None:
        """Keep a copy, the latest from now on; only for who holds the sweep. Raises StorageError."""
        if code is None:
            self.forget_latest()
            return
        for leftover in self.path.glob(".*.tmp"):
            shutil.rmtree(leftover, ignore_errors=True)
        self.restore(code)
        write_whole(self.latest_file, f"{code.hash}\n".encode())

    def restore(self, code: Code) -> None:
        """Write the copy of this code where it is not there as it was. Raises StorageError."""
        folder = self.folder(code.hash)
        if not folder.is_dir() or digest_of(folder) != code.hash:
            self._write(code, folder)

    def forget_latest(self) -> None:
        """The sweep was last started without code of its own."""
        with suppress(OSError):
            self.latest_file.unlink()

    def go_back(self, hashes: Sequence[str], latest: str | None) -> None:
        """Remove every copy but these, after a start that came to nothing; only for who holds the sweep."""
        for hash in {*self.hashes()} - {*hashes}:
            shutil.rmtree(self.folder(hash), ignore_errors=True)
        if latest is None:
            self.forget_latest()
        elif latest != self.latest():
            with suppress(InputError):
                write_whole(self.latest_file, f"{latest}\n".encode())
        with suppress(OSError):
            self.path.rmdir()

    def _write(self, code: Code, folder: Path) -> None:
        temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
        try:
            for name, content in code.contents.items():
                write_whole(temporary / name, content)
            if folder.exists():
                folder.rename(folder.with_name(f".{folder.name}.damaged.tmp"))
            temporary.rename(folder)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise storage_error(folder, error) from error

    def read(self, hash: str) -> dict[str, bytes]:
        """The files of a copy by their names; none where it is gone."""
        return read_folder(self.folder(hash))

    def checked(self, hash: str) -> Path:
        """The copy of that hash, whole as it was. Raises InputError, OSError."""
        # Results that are away altogether are no damage: they may come back.
        self.path.parent.stat()
        damage = self.damage(hash)
        if damage:
            raise InputError(f"{damage}; {MEND}")
        return self.folder(hash)


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of a copy by their names, without what Python leaves there."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and "__pycache__" not in file.parts]
    return {file.relative_to(folder).as_posix(): read_bytes(file) for file in files}


def digest_of(folder: Path) -> str:
    """The hash of what a copy holds now."""
    return Code(read_folder(folder)).hash


def _digest_then(folder: Path) -> str:
    """The same, read once for as long as no file of the copy is touched. Raises OSError."""
    looks = [(str(file), file.lstat()) for file in sorted(folder.rglob("*"))]
    return _digest_of_state(folder, tuple((name, found.st_mtime_ns, found.st_size) for name, found in looks))


@lru_cache(maxsize=64)
def _digest_of_state(folder: Path, _seen: tuple[tuple[str, int, int], ...]) -> str:
    return digest_of(folder)


class Comparison:
    """Runs' own code of the time when they were submitted against what it is `now`; each question is answered once."""

    def __init__(self, copies: CodeCopies, now: Code | None, project: Path) -> None:
        self._copies, self._now, self._project = copies, now, project
        self._answers: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}

    def changed(self, hash: str | None, config: AnyConfig) -> tuple[str, ...]:
        """The files that a run's import paths reach and that are not as in its copy, as the user calls them.

        Of a program these are all files that were copied.
        """
        modules = tuple(imported_modules(networks([config])))
        has_code = modules or isinstance(config, ProgramConfig)
        if hash is None or not has_code or self._now is None or hash == self._now.hash:
            return ()
        if (hash, modules) not in self._answers:
            self._answers[hash, modules] = self._compare(hash, modules, self._now)
        return self._answers[hash, modules]

    def _compare(self, hash: str, modules: Sequence[str], now: Code) -> tuple[str, ...]:
        before = self._copies.read(hash)
        if modules:
            names = {
                *reached(modules, self._copies.folder(hash)).files,
                *reached(modules, self._project).files,
                *now.listed,
            }
        else:
            names = {*before, *now.contents} - written_by_runs(self._project, self._copies.path.parent.parent)
        different = sorted(name for name in names if before.get(name) != now.contents.get(name))
        return tuple(shown(now.paths.get(name, self._project / name), self._project) for name in different)


def shown(file: Path, project: Path) -> str:
    """A file as the user calls it from the project folder."""
    return str(file.relative_to(project)) if file.is_relative_to(project) else str(file)


def have_changed(files: Sequence[str]) -> str:
    """`mine/nets.py has changed since`, of several files too."""
    if len(files) == 1:
        return f"{files[0]} has changed since"
    named = ", ".join(files[:3]) if len(files) < 4 else f"{files[0]}, {files[1]} and {len(files) - 2} more"
    head, _, last = named.rpartition(", ")
    return f"{f'{head} and {last}' if len(files) < 4 else named} have changed since"


def has_own_code(config: AnyConfig) -> bool:
    """Check whether a run has code of the user's own: a program, or a part by an import path."""
    return isinstance(config, ProgramConfig) or bool(imported_modules([config]))


def reach_of(folder: Path, config: AnyConfig) -> Mapping[str, str]:
    """The files of a copy that a run may use, each with the SHA-256 of its content; a copy never changes."""
    return _reach_of(folder, tuple(imported_modules(networks([config]))))


@lru_cache(maxsize=256)
def _reach_of(folder: Path, modules: tuple[str, ...]) -> Mapping[str, str]:
    if not modules:
        return {name: hashlib.sha256(content).hexdigest() for name, content in read_folder(folder).items()}
    return {name: hashlib.sha256(read_file(file)).hexdigest() for name, file in reached(modules, folder).files.items()}
