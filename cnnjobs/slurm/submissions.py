"""Submissions to Slurm: the submissions of a sweep, and the place of each run in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cnnjobs.disk.files import NO_FILE
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.disk.submission_folder import JobArray, SubmissionFolder
from cnnjobs.slurm.queue import ArrayTask, QueueView
from cnnjobs.system.opening import read_words


@dataclass(frozen=True)
class Submission:
    """A job array that was to be submitted; without `job_id` it is not known whether sbatch took it."""

    folder: SubmissionFolder
    array: JobArray
    job_id: int | None

    @property
    def has_passed(self) -> bool:
        """True if nothing keeps the rest waiting for the first run."""
        return not self.array.canary or self.folder.canary_file.exists()

    def number(self, view: QueueView) -> int | None:
        """The number of its array, also where only the queue tells it."""
        return self.job_id if self.job_id is not None else view.job_ids.get(self.array.job_name)

    def queued(self, view: QueueView, index: int) -> ArrayTask | None:
        """Its array task `index` while that waits or runs."""
        number = self.number(view)
        return None if number is None else view.at_work(self.array.job_name, (number, index))

    def array_tasks(self, view: QueueView) -> list[ArrayTask]:
        """Its array tasks that wait or run."""
        number = self.number(view)
        found = (view.at_work(self.array.job_name, key) for key in view.queued if key[0] == number)
        return [array_task for array_task in found if array_task is not None]

    def log(self, index: int) -> Path:
        """Log of array task `index`, over all its starts."""
        return self.folder.log_file(index)

    def breaker(self) -> str | None:
        """The cause for which the rest is held, if it is."""
        with suppress(FileNotFoundError, *NO_FILE):
            return read_words(self.folder.breaker_file)
        return None


@dataclass(frozen=True)
class Position:
    """The place of a run in a submission."""

    submission: Submission
    index: int

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Every run of the same array task."""
        return self.submission.array.tasks[self.index]

    def name(self, view: QueueView) -> str | None:
        """Its array task as Slurm writes it, `12_3`; None while its number is not known."""
        number = self.submission.number(view)
        return None if number is None else f"{number}_{self.index}"

    @property
    def processes(self) -> float:
        """Number of processes that start for each of them."""
        return 1 / max(1, len(self.run_ids))


def submissions(store: RunStore, damaged: list[SubmissionFolder] | None = None) -> list[Submission]:
    """Every submission, the oldest first; `damaged` gets those whose `intent.json` cannot be read."""
    if not store.jobs_folder.is_dir():
        return []
    folders = [SubmissionFolder(path.parent) for path in sorted(store.jobs_folder.glob("*/intent.json"))]
    found = [made for folder in folders if (made := _read(folder, [] if damaged is None else damaged))]
    return sorted(found, key=lambda submission: submission.array.created)


def positions(found: Sequence[Submission]) -> Mapping[str, Position]:
    """The latest place of each run where it is trained, by run id."""
    return {
        run_id: Position(submission, index)
        for submission in found
        if submission.array.evaluation is None
        for index, run_ids in enumerate(submission.array.tasks)
        for run_id in run_ids
    }


def evaluation_positions(found: Sequence[Submission], run_id: str) -> tuple[Position, ...]:
    """Every place where a run is evaluated, the oldest first."""
    return tuple(
        Position(submission, index)
        for submission in found
        if submission.array.evaluation is not None
        for index, run_ids in enumerate(submission.array.tasks)
        if run_id in run_ids
    )


def damages(folders: Sequence[SubmissionFolder]) -> tuple[str, ...]:
    """Notes on submissions whose record cannot be read."""
    return tuple(
        f"{folder.array_file} is damaged: its jobs are not told of; it is set aside at the next start of the sweep"
        for folder in folders
    )


def _read(folder: SubmissionFolder, damaged: list[SubmissionFolder]) -> Submission | None:
    # A folder may be pruned between two looks.
    with suppress(OSError):
        try:
            array = folder.read_array()
        except (*NO_FILE, ValueError):
            damaged.append(folder)
            return None
        return Submission(folder, array, folder.read_id())
    return None
