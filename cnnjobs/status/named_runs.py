"""The runs that a user names: by folder, by run id or the beginning of one, by label, each alone or as SWEEP/RUN.

Every command reads its words here. What fits several is refused with the words that name each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cnnjobs.disk.run_folder import RunFolder, RunStore, stores
from cnnjobs.errors import CnnjobsError, InputError, UnknownNameError, suggest
from cnnjobs.status.run_status import label
from cnnjobs.status.sweeps import OpenSweep, open_started, open_sweep, started_stores
from cnnjobs.sweep.file import SweepRun

_LISTED: Final = 8


@dataclass(frozen=True)
class Target:
    """Some runs of one sweep; `is_whole` when the sweep itself was named."""

    opened: OpenSweep
    runs: tuple[SweepRun, ...]
    is_whole: bool

    @property
    def beside(self) -> tuple[SweepRun, ...]:
        """Every run of the sweep, those of the target among them that its file asks for no more."""
        asked = {run.run_id for run in self.opened.sweep.runs}
        return (*self.opened.sweep.runs, *(run for run in self.runs if run.run_id not in asked))

    @property
    def name(self) -> str:
        """Unambiguous name: `SWEEP/RUN`, or the sweep's folder."""
        store = self.opened.store.path
        return str(store) if self.is_whole else f"{store.name}/{self.runs[0].run_id}"

    @property
    def described(self) -> str:
        """The same, and what it is."""
        found = f"the sweep of {len(self.runs)} runs" if self.is_whole else label(self.runs[0])
        return f"{self.name} ({found})"


def find_targets(words: Sequence[str], results: Path) -> list[Target]:
    """Targets that the words name, each sweep once. Raises InputError for what names nothing, or several."""
    found: dict[Path, Target] = {}
    for word in words:
        target = find_target(word, results)
        place = target.opened.store.path.resolve()
        before = found.get(place)
        if before is None or target.is_whole:
            found[place] = target
        elif not before.is_whole:
            runs = {run.run_id: run for run in (*before.runs, *target.runs)}
            found[place] = Target(before.opened, tuple(runs.values()), is_whole=False)
    return list(found.values())


def find_target(word: str, results: Path) -> Target:
    """The sweep or the one run that a word names. Raises UnknownNameError for none, InputError for several."""
    return _only_one(word, _targets(word, results), results)


def find_folder(word: str, results: Path) -> RunFolder:
    """The folder of the one run that a word names, be it by a sweep that has no other.

    Raises UnknownNameError where it is none, InputError where it is several.
    """
    if _is_run(Path(word)):
        return RunFolder(Path(word).resolve())
    # By their ids runs are found also where the sweep's file cannot be read.
    named = _of_that_id(word, results) if "/" not in word else [RunStore((results / word).parent)]
    if len(named) == 1 and _is_run(named[0].path / Path(word).name):
        return named[0].run(Path(word).name)
    target = _only_one(word, _runs_first(_targets(word, results)), results)
    if len(target.runs) > 1:
        found = f"{word} is a sweep of {len(target.runs)} runs"
        raise InputError(f"{found}; name one of them, by its id or label: cnnjobs status {target.opened.word}")
    return target.opened.store.run(target.runs[0].run_id)


def find_folder_before_model(word: str, results: Path) -> tuple[RunFolder | None, str]:
    """The run that is called as a model is, and a line that tells of both; no run where none is called so.

    Raises InputError where several are.
    """
    found = _runs_first(_exact(word, results))
    found = [target for target in found if not target.is_whole or len(target.runs) == 1]
    model = f"the model itself is '{{name: {word}}}'"
    if not found:
        return None, ""
    if len(found) > 1:
        raise InputError(f"{_several(word, found)}; {model}")
    run = found[0].runs[0]
    told = f"`{word}` is read as the run {found[0].opened.store.path.name}/{run.run_id}, which is called so; {model}"
    return found[0].opened.store.run(run.run_id), told


def _only_one(word: str, found: Sequence[Target], results: Path) -> Target:
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(_several(word, found))
    names = [store.path.name for store in started_stores(results)]
    raise UnknownNameError(
        f"`{word}` is no run id, no beginning of one, no label and no sweep under {results}; {suggest(word, names)}"
    )


def _several(word: str, found: Sequence[Target]) -> str:
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    kinds = "runs" if not any(target.is_whole for target in found) else "sweeps and runs"
    listed = ", ".join(target.described for target in found[:_LISTED])
    return f"`{word}` fits {len(found)} {kinds}: {listed}{more}; name one of them"


def _runs_first(found: list[Target]) -> list[Target]:
    """Where one run is wanted, a sweep of several counts only if nothing else is meant; the same run counts once."""
    few = [target for target in found if len(target.runs) == 1]
    single = {(target.opened.store.path.resolve(), target.runs[0].run_id): target for target in few}
    return list(single.values()) or found


def _targets(word: str, results: Path) -> list[Target]:
    """All that the word names, by the first of its readings that fits anything. Raises UnknownNameError."""
    if not word.strip():
        raise UnknownNameError(f"`{word}` names nothing: is it a variable that is not set?")
    found = _exact(word, results)
    if not found:
        rest, runs = _candidates(word, results)
        found = [target for target in runs if target.runs[0].run_id.startswith(rest)]
        found = found or [target for target in runs if rest in label(target.runs[0])]
    return found


def _exact(word: str, results: Path) -> list[Target]:
    """Target that the word names in full."""
    path = Path(word)
    if _is_run(path):
        return [_of_folder(path.resolve())]
    if not any(map(_is_file, (path, path / "sweep.yaml", results / word / "sweep.yaml"))):
        return _called(word, results)
    opened = open_sweep(word, results)
    if not opened.store.sweep_file.is_file():
        raise UnknownNameError(f"{word}: the sweep was not started under {results}")
    runs = [] if "/" in word or _is_file(path) else _called(word, results)
    if len(opened.sweep.runs) == 1:
        # A run that is called like its own sweep, and has no other beside it, is the same.
        runs = [target for target in runs if target.opened.store.path != opened.store.path]
    return [Target(opened, opened.sweep.runs, is_whole=True), *runs]


def _called(word: str, results: Path) -> list[Target]:
    """The runs of which the word is the id, or else the label."""
    named = _of_that_id(word, results)
    if named:
        runs = [target for opened in _readable(named) for target in _runs(opened)]
        return [target for target in runs if target.runs[0].run_id == word]
    rest, runs = _candidates(word, results)
    found = [target for target in runs if rest in (target.runs[0].run_id, label(target.runs[0]))]
    if rest != word:
        # A label may look like SWEEP/RUN.
        every = (target for opened in _readable(stores(results)) for target in _runs(opened))
        found += [
            target for target in every if label(target.runs[0]) == word and _place(target) not in map(_place, found)
        ]
    return found


def _place(target: Target) -> Path:
    return target.opened.store.run(target.runs[0].run_id).path.resolve()


def _of_that_id(word: str, results: Path) -> list[RunStore]:
    return [store for store in stores(results) if "/" not in word and _is_file(store.run(word).config_file)]


def _candidates(word: str, results: Path) -> tuple[str, list[Target]]:
    """Every run of all started sweeps, or for SWEEP/RUN of one, and what of the word is to name it there."""
    # Labels of import paths have slashes, too.
    place = _in_sweep(word, results)
    if place is not None:
        store, rest = place
        return rest, [target for opened in _readable([store]) for target in _runs(opened)]
    return word, [target for opened in _readable(stores(results)) for target in _runs(opened)]


def _runs(opened: OpenSweep) -> Iterator[Target]:
    """Every run of a sweep, those that its file asks for no more among them."""
    asked = {run.run_id for run in opened.sweep.runs}
    for run in opened.sweep.runs:
        yield Target(opened, (run,), is_whole=False)
    for folder in opened.store.runs():
        if folder.run_id not in asked:
            with suppress(CnnjobsError, OSError):
                yield Target(opened, (_left(folder),), is_whole=False)


def _left(folder: RunFolder) -> SweepRun:
    """A run that its sweep's file asks for no more. Raises InputError."""
    return SweepRun(folder.read_config(), {}, None, folder.run_id)


def names_place(word: str, results: Path) -> bool:
    """Check whether it is the folder of a run, or SWEEP/RUN."""
    return _is_run(Path(word)) or _in_sweep(word, results) is not None


def _in_sweep(word: str, results: Path) -> tuple[RunStore, str] | None:
    """The sweep of SWEEP/RUN, by its name or its folder, and what of the word is to name the run."""
    for head, rest in ((word[:at], word[at:].lstrip("/")) for at, sign in enumerate(word) if sign == "/"):
        named, folder = RunStore(results / head), RunStore(Path(head))
        if head and rest and _is_file(named.sweep_file):
            return named, rest
        # A folder with a file of that name need not be one of results.
        if head and rest and _is_file(folder.sweep_file) and folder.runs():
            return folder, rest
    return None


def _is_run(path: Path) -> bool:
    return _is_file(path / "config.yaml")


def _is_file(path: Path) -> bool:
    # A label may be longer than any name of a file.
    with suppress(OSError):
        return path.is_file()
    return False


def _of_folder(path: Path) -> Target:
    """The run of a folder. Raises InputError where no sweep is around it."""
    store = RunStore(path.parent)
    if not store.sweep_file.is_file():
        raise InputError(f"{path} lies in no folder of a sweep: there is no {store.sweep_file}")
    opened = open_started(store)
    known = next((run for run in opened.sweep.runs if run.run_id == path.name), None)
    return Target(opened, (known or _left(RunFolder(path)),), is_whole=False)


def _readable(found: Sequence[RunStore]) -> list[OpenSweep]:
    """Those sweeps that this version can read. Raises InputError when there are some, and none can be read."""
    opened = []
    for store in found:
        with suppress(CnnjobsError):
            opened.append(open_started(store))
    if found and not opened:
        raise InputError(f"no sweep under {found[0].path.parent} can be read; look at them with: cnnjobs status")
    return opened
