"""The runs that a user names: by run id, by the beginning of one, or by label; or all of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cnnjobs.errors import CnnjobsError, InputError, UnknownNameError, suggest
from cnnjobs.launch.state import label
from cnnjobs.launch.sweeps import OpenSweep, open_started, open_sweep, started_stores
from cnnjobs.runs import RunFolder, stores
from cnnjobs.spec.sweep import SweepRun

_LISTED: Final = 8


@dataclass(frozen=True)
class Target:
    """Some runs of one sweep; `is_whole` when the sweep itself was named."""

    opened: OpenSweep
    runs: tuple[SweepRun, ...]
    is_whole: bool


def find_targets(words: Sequence[str], results: Path) -> list[Target]:
    """What the words name, each sweep once. Raises UnknownNameError."""
    found: dict[Path, Target] = {}
    for word in words:
        target = find_target(word, results)
        before = found.get(target.opened.store.path)
        if before is None or target.is_whole:
            found[target.opened.store.path] = target
        elif not before.is_whole:
            runs = {run.run_id: run for run in (*before.runs, *target.runs)}
            found[target.opened.store.path] = Target(before.opened, tuple(runs.values()), is_whole=False)
    return list(found.values())


def find_target(word: str, results: Path) -> Target:
    """The sweep or the one run that a word names. Raises UnknownNameError when it is none, or several."""
    if Path(word).is_file() or (results / word / "sweep.yaml").is_file():
        opened = open_sweep(word, results)
        if not opened.store.sweep_file.is_file():
            raise UnknownNameError(f"{word}: the sweep was not started under {results}")
        return Target(opened, opened.sweep.runs, is_whole=True)
    return find_run(word, results)


def find_run(word: str, results: Path) -> Target:
    """The one run that a word names. Raises UnknownNameError when it is none, or several."""
    opened = _readable(results)
    for fits in (
        lambda run: word in (run.run_id, label(run)),
        lambda run: run.run_id.startswith(word),
        lambda run: word in label(run),
    ):
        found = [(each, run) for each in opened for run in each.sweep.runs if fits(run)]
        if len(found) == 1:
            return Target(found[0][0], (found[0][1],), is_whole=False)
        if found:
            named = [f"{run.run_id} ({label(run)}, {each.word})" for each, run in found[:_LISTED]]
            more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
            raise UnknownNameError(f"`{word}` fits {len(found)} runs: {', '.join(named)}{more}; name one of them")
    names = [store.path.name for store in stores(results)]
    raise UnknownNameError(
        f"`{word}` is no run id, no beginning of one, no label and no sweep under {results}; {suggest(word, names)}"
    )


def find_folder(word: str, results: Path) -> RunFolder:
    """The folder of the one run that a word names, also of one that no sweep file asks for any more, or a folder's own.

    Raises UnknownNameError.
    """
    if (Path(word) / "config.yaml").is_file():
        return RunFolder(Path(word).resolve())
    for store in stores(results):
        if "/" not in word and store.run(word).config_file.is_file():
            return store.run(word)
    target = find_target(word, results)
    if len(target.runs) > 1:
        found = f"{word} is a sweep of {len(target.runs)} runs"
        raise UnknownNameError(f"{found}; name one of them, by its id or label: cnnjobs status {target.opened.word}")
    return target.opened.store.run(target.runs[0].run_id)


def _readable(results: Path) -> list[OpenSweep]:
    """The started sweeps that this version can read, the latest first. Raises UnknownNameError when there is none."""
    found = []
    for store in started_stores(results):
        with suppress(CnnjobsError):
            found.append(open_started(store))
    if not found:
        raise InputError(f"no sweep under {results} can be read; look at them with: cnnjobs status")
    return found
