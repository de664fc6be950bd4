"""Expected cost of a sweep, from runs of its kind under the same results folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from cnnjobs.config.kinds import AnyConfig
from cnnjobs.disk.run_folder import Attempt, RunFolder, RunRecord, RunState, stores
from cnnjobs.disk.submission_folder import JobArray
from cnnjobs.launch.plan.resources import Resources
from cnnjobs.status.run_status import last_line
from cnnjobs.status.startup_time import measured_starts, only_attempt
from cnnjobs.sweep.file import SweepRun
from cnnjobs.system.opening import read_bytes

MOST_FILES: Final = 8
# Enough to know a pace, and soon read on a slow file system.
_MOST_LOOKS, _ENOUGH = 300, 5
_KEYS: Final = ("model", "dataset", "batch_size", "precision")

Kind = tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """One run of before: seconds per epoch and of all its training, its attempt when there was one alone, and bytes and
    files of its folder when it had finished.
    """

    epoch_s: float
    trained_s: float
    attempt: Attempt | None
    size: int | None
    files: int | None


@dataclass(frozen=True)
class Cost:
    """Of so many runs in so many jobs; None where too little was measured. `hours` are those of GPUs, or else of cores.

    `wall_s` is the time with `at_once` jobs at a time from the start on; `measured` counts the runs it is known from.
    """

    runs: int
    jobs: int
    at_once: int
    device: str
    hours: float | None
    wall_s: float | None
    size: int | None
    files: int
    measured: int


def estimate(
    configs: Mapping[str, AnyConfig],
    tasks: Sequence[Sequence[str]],
    results: Path,
    *,
    gpus: int,
    cores: int,
    at_once: int,
    runs_at_once: int = 1,
    ranks: int = 1,
) -> Cost:
    """The cost of these runs, dealt to these jobs, at most `at_once` of them at a time, `runs_at_once` runs in each.

    Each run has so many `ranks`, and `gpus` and `cores` are those of a job.
    """
    kinds = {run_id: kind(config.nested()) for run_id, config in configs.items()}
    found = measure(set(kinds.values()), results, on_gpu=gpus > 0, ranks=ranks)
    paces = {each: fmean(run.epoch_s for run in runs) for each, runs in found.items() if runs}
    known = all(each in paces for each in kinds.values())
    seconds = {run_id: paces.get(kinds[run_id], 0.0) * (config.budget or 1) for run_id, config in configs.items()}
    alone = ((run.attempt, run.trained_s) for runs in found.values() for run in runs)
    starts = measured_starts((attempt, trained_s) for attempt, trained_s in alone if attempt is not None)
    jobs = [starts.job_s([seconds[run_id] for run_id in task], runs_at_once) for task in tasks]
    sizes = {
        each: fmean(kept) for each, runs in found.items() if (kept := [r.size for r in runs if r.size is not None])
    }
    files = {each: max((r.files or 0) for r in runs) for each, runs in found.items() if any(r.files for r in runs)}
    return Cost(
        runs=len(configs),
        jobs=len(tasks),
        at_once=at_once,
        device="GPU" if gpus else "core",
        hours=sum(jobs) * (gpus or cores) / 3600 if known else None,
        wall_s=max([sum(jobs) / max(1, at_once), *jobs]) if known else None,
        size=round(sum(sizes[each] for each in kinds.values())) if all(e in sizes for e in kinds.values()) else None,
        files=sum(files.get(each, MOST_FILES) for each in kinds.values()),
        measured=sum(map(len, found.values())) if known else 0,
    )


def estimate_here(runs: Sequence[SweepRun], resources: Resources, results: Path) -> Cost:
    """The cost of these runs on this machine, whose workers each train one after the other."""
    workers = max(1, min(resources.workers, len(runs)))
    return estimate(
        {run.run_id: run.config for run in runs},
        [[run.run_id for run in runs[number::workers]] for number in range(workers)],
        results,
        gpus=resources.ranks if resources.gpus else 0,
        cores=resources.threads * resources.ranks,
        at_once=workers,
        ranks=resources.ranks,
    )


def estimate_array(runs: Sequence[SweepRun], array: JobArray, at_once: int, results: Path) -> Cost:
    """The cost of these runs as a job array, `at_once` of its jobs at a time."""
    return estimate(
        {run.run_id: run.config for run in runs},
        array.tasks,
        results,
        gpus=array.gpus,
        cores=array.cpus,
        at_once=at_once,
        runs_at_once=array.runs_at_once,
        ranks=array.ranks,
    )


def kind(nested: Mapping[str, Any]) -> Kind:
    """Settings that runs of the same pace share."""
    return tuple(json.dumps(nested.get(key), sort_keys=True) for key in _KEYS)


def measure(kinds: Iterable[Kind], results: Path, *, on_gpu: bool, ranks: int = 1) -> dict[Kind, list[Measured]]:
    """Runs of these kinds by as many ranks on the same sort of device, the latest sweeps first; a few of each do."""
    found: dict[Kind, list[Measured]] = {each: [] for each in kinds}
    for looked, folder in enumerate(_begun(results)):
        if looked >= _MOST_LOOKS or all(len(runs) >= _ENOUGH for runs in found.values()):
            break
        # What another version wrote, or a crash tore, measures nothing.
        with suppress(OSError, ValueError):
            runs = found.get(kind(_settings(folder)))
            if runs is not None and len(runs) < _ENOUGH and (run := _measured(folder, on_gpu, ranks)):
                runs.append(run)
    return found


def _begun(results: Path) -> Iterator[RunFolder]:
    for store in stores(results):
        yield from (folder for folder in store.runs() if folder.record_file.exists())


def _settings(folder: RunFolder) -> dict[str, Any]:
    """The configuration as RunFolder.create writes it: a key and JSON in each line."""
    lines = read_bytes(folder.config_file).decode().splitlines()
    return {key: json.loads(value) for key, _, value in (line.partition(": ") for line in lines)}


def _measured(folder: RunFolder, on_gpu: bool, ranks: int) -> Measured | None:
    record = RunRecord.model_validate_json(read_bytes(folder.record_file))
    line = last_line(folder.metrics_file)
    seconds, epochs = float(line.get("seconds", 0.0)), float(line.get("epoch", 0.0))
    if not record.attempts or min(seconds, epochs) <= 0:
        return None
    last = record.attempts[-1]
    if (last.device.startswith("cuda"), last.ranks) != (on_gpu, ranks):
        return None
    files = [path for path in folder.path.iterdir() if path.is_file()]
    whole = record.state is RunState.FINISHED
    size = sum(path.stat().st_size for path in files)
    alone = only_attempt(record.state, record.attempts)
    return Measured(seconds / epochs, seconds, alone, size if whole else None, len(files) if whole else None)
