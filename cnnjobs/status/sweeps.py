"""A sweep by its file or by its name under the results folder, with its runs on disk."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cnnjobs.config.text_files import read_text, yaml_files
from cnnjobs.disk.code_copies import MEND
from cnnjobs.disk.run_folder import RunStore, stores
from cnnjobs.errors import InputError, SpecError, StorageError, UnknownNameError, suggest
from cnnjobs.slurm.queue import jobs_of
from cnnjobs.status.own_code import CodeChoice, kept_code
from cnnjobs.status.search.known_runs import KnownRuns
from cnnjobs.sweep.file import Sweep, name_in, read_sweep
from cnnjobs.system import own_modules
from cnnjobs.system.package import BUNDLED

QUICKSTART: Final = BUNDLED / "quickstart.yaml"


@dataclass(frozen=True)
class OpenSweep:
    """A sweep, its runs on disk, and the word that names it in a command."""

    sweep: Sweep
    store: RunStore
    word: str


def open_sweep(given: str, results: Path, *, to_start: bool = False) -> OpenSweep:
    """The sweep of a file, or the started one of that name or folder. Raises InputError.

    One `to_start` is read by the user's own code as it is now, a started one else by that of its last start.
    """
    if not given.strip():
        raise UnknownNameError(f"`{given}` names no sweep: is it a variable that is not set?")
    path, store = Path(given), RunStore(results / given)
    try:
        is_started = not path.is_file() and store.sweep_file.is_file()
        is_there = path.exists()
    except OSError as error:
        raise UnknownNameError(f"`{given[:80]}` is no sweep file: {error.strerror}") from None
    if is_started:
        return _read(store) if to_start else open_started(store)
    if (path / store.sweep_file.name).is_file():
        store = RunStore(path)
        return replace(_read(store) if to_start else open_started(store), word=shlex.quote(str(path)))
    # Whatever it is in place of a file, the reader says so.
    if is_there:
        opened = open_file(path, results)
        if not opened.store.sweep_file.exists():
            _check_there(opened.store.path)
        return opened
    _check_there(store.path)
    names = [store.path.name for store in stores(results)]
    files = [str(file) for file in yaml_files(path.parent, Path("sweeps"))]
    if not names + files:
        raise UnknownNameError(f"`{given}` is no sweep file, and no sweep was started under {results}")
    near = next((file for file in files if Path(file).stem == path.stem), None)
    remedy = f"did you mean `{near}`?" if near else suggest(given, names + files)
    raise UnknownNameError(f"`{given}` is no sweep file and no sweep under {results}; {remedy}")


def _check_there(folder: Path) -> None:
    """Raises StorageError where jobs of the queue have their scripts in a folder that is not there: it is away."""
    lost = jobs_of(folder)
    if lost:
        jobs = f"job {lost[0]}" if len(lost) == 1 else f"jobs {', '.join(map(str, lost))}"
        raise StorageError(
            f"{folder} is away: Slurm has {jobs} of it, and nothing of that is there. Is its disk mounted here? Jobs"
            f" wait 5 minutes for it. If it was removed, end them with: scancel {' '.join(map(str, lost))}"
        )


def open_to_start(given: str, results: Path, code: CodeChoice | None) -> OpenSweep:
    """The same, read by the user's own code as runs are to begin with it: with `kept` as it was. Raises InputError."""
    if code != "kept":
        return open_sweep(given, results, to_start=True)
    store = RunStore(results / (name_in(Path(given)) if Path(given).is_file() else given))
    with own_modules.used(store.codes.folder(kept_code(store))):
        return open_sweep(given, results, to_start=True)


def open_file(path: Path, results: Path) -> OpenSweep:
    """The sweep of a file and the place of its runs. Raises SpecError, and InputError where that is another file's."""
    sweep = read_sweep(path)
    store = RunStore(results / sweep.name)
    other = _other_file(sweep, store)
    if other is not None:
        raise InputError(
            f"{path}: `name: {sweep.name}` is that of {other}, too, from which {store.path} was started: one would take"
            f" over the runs and the report of the other; give one of them another `name:`, or, where {path.name} takes"
            " the place of the other file, move that one away"
        )
    return OpenSweep(_with_known(sweep, store), store, shlex.quote(str(path)))


def with_known_runs(opened: OpenSweep) -> OpenSweep:
    """The same sweep with all runs that its search has proposed since."""
    return replace(opened, sweep=_with_known(opened.sweep, opened.store))


def _with_known(sweep: Sweep, store: RunStore) -> Sweep:
    """The sweep with all runs that a search has proposed."""
    return sweep if sweep.proposing is None else replace(sweep, runs=KnownRuns(sweep, store)())


def _other_file(sweep: Sweep, store: RunStore) -> Path | None:
    """A file that is still there, asks for something else, and has the name and the folder of this sweep."""
    origin = store.origin()
    if origin is None or sweep.path.resolve() in (origin.resolve(), store.sweep_file.resolve()):
        return None
    # One that was moved, renamed, copied as it is or given another name is no second one.
    with suppress(InputError, OSError):
        return origin if read_text(origin) != sweep.text and name_in(origin) == sweep.name else None
    return None


def open_quickstart(results: Path) -> OpenSweep:
    """The sweep that comes with the package: what `cnnjobs local` runs when it is given nothing."""
    return replace(open_file(QUICKSTART, results), word="")


def latest_sweep(results: Path) -> OpenSweep:
    """The sweep that was started last. Raises InputError when there is none."""
    return open_started(started_stores(results)[0])


def started_stores(results: Path) -> list[RunStore]:
    """The runs of every sweep that was started, the latest first. Raises UnknownNameError when there is none."""
    found = stores(results)
    if not found:
        _check_there(results)
        raise UnknownNameError(f"no sweep was started under {results}; start the first one with: cnnjobs local")
    return found


def open_started(store: RunStore) -> OpenSweep:
    """A started sweep, from the copies of its file and of its code. Raises SpecError."""
    latest = store.codes.latest()
    try:
        with own_modules.used(store.codes.here(latest)):
            return _read(store)
    except SpecError as error:
        # Without its copy it was read by the user's own code as it is now, which need not be here.
        damage = latest and store.codes.damage(latest)
        if damage:
            raise InputError(f"{damage}; {MEND}") from error
        raise


def _read(store: RunStore) -> OpenSweep:
    # Its name stays, whatever the copy of its file is called.
    sweep = replace(read_sweep(store.sweep_file, is_started=True), name=store.path.name)
    return OpenSweep(_with_known(sweep, store), store, shlex.quote(store.path.name))
