"""Data sets, told by headers and names of files alone: which are here, and whether runs can be trained on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from cnnjobs.components.augment import output_shape
from cnnjobs.components.data.datasets import place_of_data
from cnnjobs.components.data.decoding import source_of
from cnnjobs.components.data.fingerprints import OTHER_DATA_REMEDY, changed
from cnnjobs.components.data.surveys import fingerprint_of, look_into, notes_on, sizes_from, skips, survey
from cnnjobs.components.files.places import Place, image_folders, place_of
from cnnjobs.components.files.raw_splits import Contents
from cnnjobs.config.fitting import without_fitting
from cnnjobs.config.kinds import network
from cnnjobs.config.run import Choice, RunConfig
from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.errors import DataError, InputError, Mistake, UnknownNameError, concerning, key_of
from cnnjobs.launch.plan.image_shapes import decoded_shape
from cnnjobs.launch.plan.plan import Action, Plan
from cnnjobs.registry import components, is_foreign
from cnnjobs.sweep.file import SweepRun
from cnnjobs.training.loop.idle import large_batch

if TYPE_CHECKING:
    from cnnjobs.components.data.decoding import Survey
    from cnnjobs.components.data.splitting import SplitName


@dataclass(frozen=True)
class Listed:
    """A data set that is here: what it holds and its size, or what is wrong with it."""

    name: str
    place: Place | None = None
    contents: Contents | None = None
    notes: tuple[str, ...] = ()
    megabytes: float = 0.0
    problem: str = ""


def names_of_data(folders: Sequence[Path]) -> list[str]:
    """The data sets known by name, then the folders of images that are here."""
    own: set[str] = set()
    for folder in folders:
        with suppress(OSError):
            own.update(image_folders(folder))
    known = [name for name in components("dataset") if name != "image_folder"]
    return [*known, *sorted(own.difference(known))]


def list_data(folders: Sequence[Path]) -> tuple[list[Listed], list[str]]:
    """Every data set that is here, and the names of those that are not."""
    here: list[Listed] = []
    missing: list[str] = []
    for name in names_of_data(folders):
        try:
            place = place_of(name, folders)
        except DataError:
            missing.append(name)
            continue
        try:
            found = look_into(place)
            here.append(Listed(name, place, found.contents, found.notes, megabytes_of(place)))
        except DataError as error:
            here.append(Listed(name, problem=str(error)))
    return here, missing


def megabytes_of(place: Place) -> float:
    """Size of the files of a data set."""
    return sum(path.stat().st_size for path in source_of(place).files) / 1e6


def check_data(runs: Iterable[SweepRun], folders: Sequence[Path], file: Path | None = None) -> tuple[str, ...]:
    """Look for every data set that the runs need, and list its files; what users must know of them, a line each.

    Raises DataError that tells all that is missing or that no run could be trained on, with the lines of `file`.
    """
    users: dict[str, list[SweepRun]] = {}
    for run in runs:
        users.setdefault(run.network.dataset.model_dump_json(), []).append(run)
    problems: dict[str, None] = {}
    notices: dict[str, None] = {}
    looked: dict[tuple[Place, bool], Survey] = {}
    for alike in users.values():
        try:
            notices |= dict.fromkeys(_check(alike, folders, looked))
        except InputError as error:
            key = key_of(error)
            line = alike[0].line(key) or alike[0].line("dataset") if key else None
            problems[str(Mistake(str(file), line, key, str(error)) if file and key else error)] = None
    if problems:
        raise DataError("\n".join(problems))
    return tuple(notices)


def check_choices(choices: Iterable[Choice], folders: Sequence[Path]) -> tuple[str, ...]:
    """`check_data` of data sets that nothing is trained on. Raises DataError, UnknownNameError."""
    notices: dict[str, None] = {}
    for data in {each.model_dump_json(): each for each in choices}.values():
        place = place_of_data(data.name, folders, data.options)
        notices |= dict.fromkeys(survey(place, data.options)[0].notes if place else ())
    return tuple(notices)


def _check(
    runs: Sequence[SweepRun], folders: Sequence[Path], looked: dict[tuple[Place, bool], Survey]
) -> Iterator[str]:
    """Notes on the data set of these runs; those in `looked` are not read again."""
    data, configs = runs[0].network.dataset, [run.network for run in runs]
    place = place_of_data(data.name, folders, data.options)
    if place is None:
        return
    skip = skips(data.options)
    found = looked[place, skip] = looked.get((place, skip)) or look_into(place, skip=skip)
    sizes = sizes_from(found, data.name, data.options)
    for config in {str(config.augment): config for config in configs}.values():
        _check_shapes(config, found.contents)
    yield from found.notes
    yield from notes_on(data.name, found.classes)
    yield from _notes_on_splits(data, found, sizes)
    largest = max(configs, key=lambda config: int(config.batch_size))
    yield from large_batch(largest, sizes["train"])


def _check_shapes(config: RunConfig, contents: Contents) -> None:
    """Raises InputError when an augmentation does not fit the images; of those of others the run itself tells."""
    shape = decoded_shape(config, contents)
    steps = without_fitting(config.augment) if contents.needs_fitting else config.augment
    known = takewhile(lambda step: not is_foreign(step.kind, step.name), steps)
    # What a normalisation leaves out is filled in by the run.
    built = [step.build() for step in known if step.name != "normalise" or any(step.options.values())]
    with concerning("augment"):
        output_shape(built, shape)


def _notes_on_splits(data: Choice, found: Survey, sizes: Mapping[SplitName, int]) -> Iterator[str]:
    """Notes on options of a data set that users may not expect."""
    validation, test = sizes["validation"], sizes["test"]
    if not validation:
        yield (
            f"data set `{data.name}` has validation 0: runs are trained on all its training images, and their results"
            " are those of the last epoch's weights"
        )
    subset = data.options["subset"]
    if isinstance(subset, int) and validation + test > subset:
        drawn = validation if len(found.contents.test_labels) else validation + test
        share = subset / (len(found.contents.train_labels) - drawn)
        others = {"validation": validation, "test": test} if validation else {"test": test}
        smaller = {
            name: fewer
            for name, size in others.items()
            if (fewer := max(len(found.classes), round(share * size))) < size
        }
        if not smaller:
            return
        listed = ", ".join(f"{name}: {size}" for name, size in {"train": subset, **smaller}.items())
        measured = " and ".join(f"{size:,} {name}" for name, size in others.items())
        yield (
            f"data set `{data.name}`: subset {subset:,} is of the training images alone, and each run is measured on"
            f" all {measured} images; for fewer of these, write subset: {{{listed}}}"
        )


def check_same_data(plan: Plan, folders: Sequence[Path]) -> tuple[str, ...]:
    """Tell which finished runs were trained on other images than are here now, a line for each data set.

    Raises DataError when runs would go on with other images than they began with. Data sets that are not here any more,
    and those of import paths, which look for themselves, are passed over.
    """
    now: dict[str, str | None] = {}
    kept: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for planned in plan.runs:
        folder, data = plan.store.run(planned.run.run_id), planned.run.network.dataset
        goes_on = planned.starts and not planned.from_nothing and folder.has_checkpoint
        before = folder.read_record().data_sha256 if goes_on or planned.action is Action.FINISHED else None
        if before is None:
            continue
        key = data.model_dump_json()
        if key not in now:
            now[key] = _fingerprint(data, folders)
        if now[key] not in (None, before):
            (refused if goes_on else kept)[changed(data.name, before, str(now[key]))] += 1
    if refused:
        raise DataError(
            "\n".join(
                f"{told} since {_runs(number)} began with it; {OTHER_DATA_REMEDY}" for told, number in refused.items()
            )
        )
    return tuple(
        f"{told} since {_runs(number)} finished with it, kept as they are; --force trains them again"
        for told, number in kept.items()
    )


def other_data(run: RunFolder, folders: Sequence[Path]) -> tuple[str, ...]:
    """A note where the data set of a finished run is no longer what it was trained on."""
    before, data = run.read_record().data_sha256, network(run.read_config()).dataset
    now = _fingerprint(data, folders) if before is not None else None
    return (f"{changed(data.name, before, now)} since the run was trained on it",) if now not in (None, before) else ()


def _fingerprint(data: Choice, folders: Sequence[Path]) -> str | None:
    with suppress(DataError, UnknownNameError):
        place = place_of_data(data.name, folders, data.options)
        return fingerprint_of(place) if place else None
    return None


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"
