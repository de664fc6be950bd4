"""The runs of a sweep tried before any is submitted or started: one of each kind, in a process that loads torch.

What was found good is remembered by its content, so that the same sweep is planned without torch the next time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from cnnjobs.components.data.cache import cache_folder
from cnnjobs.components.data.datasets import place_of_data
from cnnjobs.components.data.surveys import survey
from cnnjobs.config.fitting import fitting_of
from cnnjobs.config.run import RunConfig
from cnnjobs.disk.code_walk import imported_modules
from cnnjobs.disk.files import write_whole
from cnnjobs.errors import InputError, Mistake, SpecError
from cnnjobs.launch.plan.image_shapes import decoded_shape
from cnnjobs.launch.plan.plan import Plan, PlannedRun
from cnnjobs.sweep.labels import SweepRun
from cnnjobs.system.package import PACKAGE
from cnnjobs.training.networks.asked import Answer, Asked, Images, Request
from cnnjobs.training.weights.source import find_weights

# So many kinds of runs, and seconds for all of them: more are left to the runs themselves.
_MOST: Final = 60
_SECONDS: Final = 60.0
_PATIENCE_S: Final = 180.0
_PACKAGES: Final = ("torch", "torchvision", "timm")
# What a network may want that this machine does not have, though the one that trains it may.
_OF_A_GPU: Final = re.compile(r"\bCUDA\b|NVIDIA", re.IGNORECASE)
_OF_MEMORY: Final = "memory is full"
_WORDS: Final = 300


@dataclass(frozen=True)
class _Kind:
    """A run that stands for all of its kind, what is asked of it, and the name of what it is remembered by.

    It is to train with the copy `code` of the user's own code.
    """

    run: SweepRun
    asked: Asked
    digest: str
    code: str | None


def try_runs(plan: Plan, folders: Sequence[Path], *, at_start: bool, on_gpu: bool = True) -> tuple[str, ...]:
    """Try one run of each kind, and tell what is to be known of them; without `at_start` those with own parts alone.

    What asks for a GPU, which is not tried here, may be right where the runs are to be trained `on_gpu`. Raises
    SpecError with what cannot be trained, each cause once.
    """
    results = plan.store.path.parent
    chosen = [each for each in plan.runs if each.starts and (at_start or has_own(each.run.network))]
    kinds = list(_kinds(chosen, folders, results))
    remembered = {kind.digest: notes for kind in kinds if (notes := _remembered(kind.digest)) is not None}
    new = [kind for kind in kinds if kind.digest not in remembered]
    answers, notices = _ask(new[:_MOST], plan, folders) if new else ({}, [])
    mistakes, told = _sorted_out(new, answers, str(plan.sweep.path), on_gpu=on_gpu)
    notices += told
    missed = len(new) - len(answers)
    if missed and not notices:
        notices.append(f"{missed} of {len(kinds)} kinds of runs were not tried before the start: each tries its own")
    if mistakes:
        raise SpecError(mistakes)
    for number, found in answers.items():
        if not found.cause:
            # Files that others have imported in the same process are none of its own.
            files = found.files if has_own(new[number].run.network) else {}
            _remember(new[number].digest, found.model_copy(update={"files": files}))
    told_before = [*remembered.values(), *(found.notes for found in answers.values())]
    return tuple(dict.fromkeys([*notices, *(note for each in told_before for note in each)]))


def has_own(config: RunConfig) -> bool:
    """Check whether a run takes anything of the user's own: code, weights, or names of layers."""
    parts = (config.dataset, config.model, config.loss, config.optimizer, config.schedule, *config.augment)
    return bool(config.weights or config.freeze) or any(":" in part.name for part in parts)


def _kinds(runs: Iterable[PlannedRun], folders: Sequence[Path], results: Path) -> Iterator[_Kind]:
    """Runs with a part that none before them had, so that every network, loss, ... is among them once."""
    seen: set[str] = set()
    described: dict[str, Images | None] = {}
    for planned in runs:
        run, code = planned.run, planned.code if imported_modules([planned.run.network]) else None
        new = {f"{part} {code}" for part in _parts(run.network)} - seen
        if not new:
            continue
        seen |= new
        data = run.network.dataset
        key = f"{data.model_dump_json()} {fitting_of(run.network.augment)}"
        if key not in described:
            described[key] = _images(run.network, folders)
        asked = Asked(config=run.config.nested(), images=described[key])
        yield _Kind(run, asked, _digest(asked, run.network, code, folders=folders, results=results), code)


def _parts(config: RunConfig) -> Iterator[str]:
    nested: Mapping[str, Any] = config.nested()
    network = ("dataset", "augment", "model", "weights", "freeze")
    for keys in (network, ("loss",), ("optimizer",), ("schedule", "epochs"), ("dataset", "batch_size", "drop_last")):
        yield json.dumps([(key, nested[key]) for key in keys], sort_keys=True)


def _images(config: RunConfig, folders: Sequence[Path]) -> Images | None:
    """Facts of a data set without its pixels; None for one of the user's own."""
    data = config.dataset
    place = place_of_data(data.name, folders, data.options)
    if place is None:
        return None
    found, sizes = survey(place, data.options)
    contents = found.contents
    shape = decoded_shape(config, contents)
    return Images(shape=shape, classes=found.classes, sizes=dict(sizes), are_fitted=contents.needs_fitting)


def _digest(asked: Asked, config: RunConfig, code: str | None, *, folders: Sequence[Path], results: Path) -> str:
    """A name that stands for all that the answer depends on, but files of the user's own that are not in the copy."""
    source = None
    with suppress(InputError):
        source = find_weights(config, folders, results)
    free = ("lr", "weight_decay", "seed")
    plain = {key: value for key, value in asked.config.items() if key not in free}
    place = str(Path.cwd()) if has_own(config) else ""
    about = [plain, asked.model_dump(mode="json")["images"], source.sha256 if source else "", place, code, _versions()]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]


@cache
def _versions() -> list[str]:
    """Those of the packages that networks are made of; of this one the state of its files."""
    found = [sys.version]
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    states = [path.stat() for path in sorted(PACKAGE.rglob("*.py"))]
    return [*found, str(hash(tuple((state.st_size, state.st_mtime_ns) for state in states)))]


def _remembered(digest: str) -> tuple[str, ...] | None:
    """The notes on a run that was found good, unless a file of the user's own has changed since."""
    try:
        answer = Answer.model_validate_json((_folder() / f"{digest}.json").read_bytes())
        for name, sha256 in answer.files.items():
            if hashlib.sha256(Path(name).read_bytes()).hexdigest() != sha256:
                return None
    except (OSError, ValueError):
        return None
    return answer.notes


def _remember(digest: str, answer: Answer) -> None:
    with suppress(OSError, InputError):
        write_whole(_folder() / f"{digest}.json", answer.model_dump_json().encode())


def _folder() -> Path:
    return cache_folder() / "tried"


def _ask(kinds: Sequence[_Kind], plan: Plan, folders: Sequence[Path]) -> tuple[dict[int, Answer], list[str]]:
    """The answers by their numbers, and what kept others from coming."""
    results = plan.store.path.parent.absolute()
    with tempfile.TemporaryDirectory(prefix="cnnjobs-tried-") as name:
        place = Path(name).resolve()
        asked = tuple(kind.asked.model_copy(update={"code": _copy(kind.code, plan, place)}) for kind in kinds)
        request = Request(runs=asked, folders=tuple(folders), results=results, seconds=_SECONDS)
        (place / "request.json").write_text(request.model_dump_json(), encoding="utf-8")
        ended = _run(place)
        lines = (place / "answers").read_text(encoding="utf-8").splitlines() if (place / "answers").exists() else []
        said = (place / "said").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    # Files are named as the user knows them.
    told = [Answer.model_validate_json(line.replace(f"{place / _CODE}{os.sep}", "")) for line in lines]
    answers = {each.number: each for each in told if each.number >= 0 and not each.begun}
    begun = {each.number for each in told if each.begun} - answers.keys()
    why = next((each.missing for each in told if each.missing), "")
    if why:
        return {}, [f"nothing was tried before the start, each run tries its own: {why}"]
    if ended < 0 or not told or any(line.startswith("Traceback ") for line in said):
        words = "it took too long" if ended == -_TIMED_OUT else f"its process ended with code {ended}"
        names = sorted({kinds[number].run.config.kind_name for number in begun})
        words += f" with model `{names[0]}`" if names else ""
        last = f" ({said[-1][:_WORDS]})" if said else ""
        return answers, [f"not all was tried before the start, each run tries its own: {words}{last}"]
    for number in begun:
        cause = (
            f"its code ends the process (exit code {ended}) as it is imported or built, as os._exit() does; put what a"
            " script does under: if __name__ == '__main__':"
        )
        answers[number] = Answer(number=number, cause=cause, key="model")
    return answers, []


def _copy(code: str | None, plan: Plan, place: Path) -> Path | None:
    """The copy of runs that begin, which is not on disk before they are started, or the one that a run goes on with."""
    given = plan.code.given
    if code is None or given is None or code != given.hash:
        return plan.store.codes.folder(code).absolute() if code else None
    if not (place / _CODE).exists():
        for file, content in given.contents.items():
            write_whole(place / _CODE / file, content)
    return place / _CODE


_CODE: Final = "code"
_TIMED_OUT: Final = 1000


def _run(place: Path) -> int:
    """The exit code of the process that tries; what it and the user's code say is kept apart from the terminal."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "cnnjobs.training.loop.trying", "request.json", "answers"]
    command[3:] = [str(place / name) for name in command[3:]]
    with (place / "said").open("wb") as said:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env=environment,
                timeout=_PATIENCE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return -_TIMED_OUT
    return done.returncode


def _sorted_out(
    kinds: Sequence[_Kind], answers: Mapping[int, Answer], file: str, *, on_gpu: bool
) -> tuple[list[Mistake], list[str]]:
    """Each cause once, at its line; and what may be wrong on this machine alone."""
    mistakes: dict[tuple[str, str], Mistake] = {}
    notices = []
    for number, answer in sorted(answers.items()):
        key = answer.key or ""
        cause = answer.cause.removeprefix(f"{key}: ")
        if not cause:
            continue
        asks_for_gpu = bool(_OF_A_GPU.search(cause))
        if asks_for_gpu and not on_gpu:
            cause += "; these runs have no GPU: keep to the device of the images, x.device"
        elif asks_for_gpu or _OF_MEMORY in cause:
            notices.append(f"{key}: could not be tried on this machine, each run tries its own: {cause}")
            continue
        mistakes.setdefault((key, cause), Mistake(file, kinds[number].run.line(key), key, cause))
    return list(mistakes.values()), notices
