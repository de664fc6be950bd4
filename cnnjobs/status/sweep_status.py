"""Every run of a sweep at one moment, wherever it was sent: marks, then at most one squeue and one sacct."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Final

from cnnjobs.disk import locks
from cnnjobs.disk.run_folder import RunState, RunStore
from cnnjobs.disk.submission_folder import SubmissionFolder
from cnnjobs.slurm.queue import WAITING, ArrayTask, QueueView, look_at_ends, look_at_queue, named
from cnnjobs.slurm.submissions import Position, Submission, damages, positions, submissions
from cnnjobs.status.evaluations import EvaluationStatus, evaluations
from cnnjobs.status.repair import repeat
from cnnjobs.status.run_status import RunFilesWatcher, RunStatus, RunStatuses
from cnnjobs.status.search.known_runs import KnownRuns
from cnnjobs.status.slurm_status import SlurmFacts, held_by, needs_user, run_state
from cnnjobs.sweep.file import SweepRun

_HELD = ("JobHeld", "launch_failed_requeued_held")

_OPEN_ENDS: Final = (RunState.PENDING, RunState.INTERRUPTED)


@dataclass(frozen=True)
class SweepStatus:
    """The runs, their places in Slurm, what holds them back, and what could not be asked.

    Where all that waits is held for the user, `release` is what to type, with `{sweep}` for the sweep.
    """

    snapshot: RunStatuses
    positions: Mapping[str, Position]
    view: QueueView
    held: tuple[str, ...]
    evaluations: tuple[EvaluationStatus, ...] = ()
    damaged: tuple[str, ...] = ()
    release: str | None = None

    @property
    def held_for_user(self) -> tuple[str, ...]:
        """The lines of `held` that nothing but the user changes."""
        return tuple(line for line in self.held if needs_user(line))

    @property
    def is_queued(self) -> bool:
        """True if Slurm has anything of the sweep that goes on by itself."""
        return bool(self.view.queued) and self.release is None

    def is_live(self, run_id: str) -> bool:
        """Check whether the run's array task is in the queue."""
        return self.array_task(run_id) is not None

    def array_task(self, run_id: str) -> ArrayTask | None:
        """The run's array task in the queue."""
        position = self.positions.get(run_id)
        return position.submission.queued(self.view, position.index) if position else None


def failed_on_slurm(store: RunStore, runs: Sequence[SweepRun], queued: Container[str]) -> Mapping[str, str]:
    """By run id the cause of each failure that only Slurm tells of, as a process that was killed leaves no word.

    Slurm is asked where a run was handed to it, is in no queue, and has no end of its own.
    """
    places = positions(submissions(store))
    handed = [run.run_id for run in runs if run.run_id in places and run.run_id not in queued]
    open_ends = {run_id for run_id in handed if store.run(run_id).read_record().state in _OPEN_ENDS}
    if not open_ends:
        return {}
    # The launcher that asks takes nothing up that has failed.
    judged = SweepWatcher(store, runs).look(at_launch=False).snapshot.having(RunState.FAILED)
    return {status.run_id: status.cause or "" for status in judged if status.run_id in open_ends}


class SweepWatcher:
    """Looks at a sweep again and again; what is over is read once."""

    def __init__(self, store: RunStore, runs: Iterable[SweepRun] | KnownRuns) -> None:
        self._store = store
        self._watch = RunFilesWatcher(store, runs)

    def look(self, *, at_launch: bool | None = None) -> SweepStatus:
        """Every run now; `at_launch` says whether a launcher is at work that takes runs up, where it is not looked."""
        damaged: list[SubmissionFolder] = []
        found = submissions(self._store, damaged)
        # The queue before the marks: what ends in between has left its mark.
        view = look_at_queue({submission.array.job_name for submission in found})
        marks = self._watch.look()
        places = followed(positions(found), marks.runs, found)
        view = look_at_ends(view, _to_account(marks, places, view))
        judged = {status.run_id: status for status in marks.runs}
        is_launching = locks.is_held(self._store.launcher_file)
        at_launch = is_launching if at_launch is None else at_launch
        # The first runs before those that they hold back.
        first = [run_id for submission in found if (run_id := submission.array.first_run) is not None]
        for run_id in dict.fromkeys((*first, *judged)):
            if run_id in places and run_id in judged:
                folder = self._store.run(run_id)
                judged[run_id] = run_state(SlurmFacts(judged[run_id], places[run_id], view, judged, folder, at_launch))
        processes = fmean(position.processes for position in places.values()) if places else 0.0
        slots = _slots(places.values(), view)
        snapshot = RunStatuses(tuple(judged.values()), processes, slots, marks.to_come)
        asked = evaluations(snapshot.runs, found, view)
        said = () if is_launching else repeat(self._store, found, view)
        view = replace(view, notices=(*view.notices, *said))
        held, release = tuple(_held(found, judged, view)), _release(found, judged, view)
        return SweepStatus(snapshot, places, view, held, asked, damages(damaged), release)


def followed(
    places: Mapping[str, Position], runs: Iterable[RunStatus], found: Sequence[Submission]
) -> dict[str, Position]:
    """The same, with the place where a run of a search was taken up last: any job of its array may have done so."""
    by_name = {each.array.job_name: each for each in found if each.array.evaluation is None}
    there = dict(places)
    for status in runs:
        last = status.attempts[-1] if status.attempts else None
        submission = by_name.get(last.job_name or "") if last is not None else None
        index = (last.job_id or "").rpartition("_")[2] if last is not None else ""
        if submission is None or not index.isdigit() or int(index) >= len(submission.array.tasks):
            continue
        own = there.get(status.run_id)
        if own is None or own.submission.array.created <= submission.array.created:
            there[status.run_id] = Position(submission, int(index))
    return there


def _slots(places: Iterable[Position], view: QueueView) -> int:
    """Number of runs with a place in a running job."""
    submissions = {position.submission.folder.path: position.submission for position in places}.values()
    return sum(
        submission.array.runs_at_once
        for submission in submissions
        for array_task in submission.array_tasks(view)
        if array_task.state == "RUNNING"
    )


def _to_account(marks: RunStatuses, places: Mapping[str, Position], view: QueueView) -> dict[int, str]:
    """Number and name of the jobs that hold an open run and have left the queue."""
    asked: dict[int, str] = {}
    positions = [position for status in marks.open if (position := places.get(status.run_id))]
    # Of two jobs with one number accounting tells of the newer one.
    for position in sorted(positions, key=lambda position: position.submission.array.created):
        number = position.submission.number(view)
        if number is not None and position.submission.queued(view, position.index) is None:
            asked[number] = position.submission.array.job_name
    return asked


def _held(found: Iterable[Submission], judged: Mapping[str, RunStatus], view: QueueView) -> Iterable[str]:
    """One line for each submission that is held back by us, with its number of array tasks."""
    for submission in found:
        waiting = [each for each in submission.array_tasks(view) if each.reason.startswith("JobHeld")]
        why = held_by(Position(submission, 1), judged) if waiting else None
        if why:
            jobs = f"{len(waiting)} {'job' if len(waiting) == 1 else 'jobs'}"
            yield f"job {submission.number(view)}: {jobs} {why}"


def _release(found: Iterable[Submission], judged: Mapping[str, RunStatus], view: QueueView) -> str | None:
    """Next command where nothing in the queue starts before; `{sweep}` is the sweep. None where something does."""
    if not view.queued or not all(map(_is_held, view.queued.values())):
        return None
    by_hand: dict[int, list[int]] = defaultdict(list)
    for submission in found:
        for array_task in submission.array_tasks(view):
            why = held_by(Position(submission, array_task.index), judged)
            if why is not None and needs_user(why):
                return "cnnjobs retry {sweep}"
            if why is None:
                by_hand[array_task.job_id].append(array_task.index)
    names = [named(job_id, indices) for job_id, indices in by_hand.items()]
    return f"scontrol release {' '.join(names)}" if names else None


def _is_held(array_task: ArrayTask) -> bool:
    return array_task.state in WAITING and array_task.reason.replace(" ", "_").strip("()").startswith(_HELD)
