"""The state of a run that was handed to Slurm: its own marks first, then the queue, accounting and the job's log.

What could not be asked never makes a failure: the run's last own word stands then.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from cnnjobs.launch.causes import end_in_log, ending, how_it_died, last_line, log_tail, waiting
from cnnjobs.launch.checkpoints import kept_epoch
from cnnjobs.launch.queue_states import SUSPENDED, WAITING, Element, QueueView
from cnnjobs.launch.state import RunStatus
from cnnjobs.launch.submitted import Seat
from cnnjobs.runs import KILLED_CAUSE, Attempt, RunFolder, RunState

SILENCE_S: Final = 180
_DIES: Final = ("COMPLETED", "FAILED", "OUT_OF_MEMORY")


@dataclass(frozen=True)
class Case:
    """A run, its place in a submission, and what is known of that; `at_launch` tells that a launcher is at work now."""

    status: RunStatus
    seat: Seat
    view: QueueView
    others: Mapping[str, RunStatus]
    folder: RunFolder
    at_launch: bool = False

    @property
    def job_id(self) -> int | None:
        """The number of its array, also where only the queue tells it."""
        return self.seat.submission.number(self.view)

    @property
    def job(self) -> str:
        """Its element: `12_3`."""
        return f"{self.job_id}_{self.seat.index}"

    @property
    def began(self) -> bool:
        """Whether this element has begun this run, or an earlier one has and left no end."""
        attempts = self.status.attempts
        return bool(attempts) and (attempts[-1].job_id is None or self.made(attempts[-1]) or self.is_dead)

    def made(self, attempt: Attempt) -> bool:
        """Whether an attempt is one of this element: not of another job that had its number before."""
        return attempt.job_id == self.job and attempt.job_name in (None, self.seat.submission.job_name)

    @property
    def is_elsewhere(self) -> bool:
        """Whether it was taken up in another place since, or is about to be."""
        last = self.status.attempts[-1] if self.status.attempts else None
        if last and not self.made(last) and last.started > self.seat.submission.created:
            return True
        return self.at_launch and self.status.state is RunState.PENDING

    @property
    def is_dead(self) -> bool:
        """Whether its record says running and nobody is seen to hold it."""
        return self.status.state is RunState.INTERRUPTED and self.status.cause == KILLED_CAUSE

    @property
    def is_here(self) -> bool:
        """Whether its process is on this host, where a lock tells the truth."""
        attempts = self.status.attempts
        return bool(attempts) and attempts[-1].host == socket.gethostname()

    @property
    def is_silent(self) -> bool:
        """Whether its heartbeat has stopped."""
        return self.status.silent_s is None or self.status.silent_s > SILENCE_S

    @property
    def lives(self) -> bool:
        """Whether a process works on it, as far as lock and heartbeat tell. Locks may not reach across hosts."""
        if self.status.state is RunState.RUNNING:
            return self.is_here or not self.status.attempts or not self.is_silent
        return self.is_dead and not self.is_here and not self.is_silent

    def so(self, state: RunState, cause: str | None) -> RunStatus:
        """The verdict."""
        return replace(self.status, state=state, cause=cause, job=self.job if self.job_id is not None else None)


def judge(case: Case) -> RunStatus:
    """What is true of a run that was handed to Slurm."""
    if case.status.is_over:
        return case.so(case.status.state, case.status.cause)
    if case.job_id is None:
        return _without_number(case)
    element = case.seat.submission.queued(case.view, case.seat.index)
    if element is not None:
        return _waiting(case, element) if element.state in WAITING else _active(case, element)
    return case.status if case.is_elsewhere else _not_queued(case, case.job_id)


def _not_queued(case: Case, job_id: int) -> RunStatus:
    end = case.view.end(case.seat.submission.job_name, (job_id, case.seat.index))
    if case.lives:
        return case.so(RunState.RUNNING, _alone(case, end))
    if end is not None:
        return _ended(case, end)
    return _gone(case) if case.view.knows_queue else _unasked(case)


def _without_number(case: Case) -> RunStatus:
    if case.lives or case.status.state is RunState.INTERRUPTED:
        return case.so(case.status.state, case.status.cause)
    if not case.view.knows_queue:
        return case.so(RunState.PENDING, "not known whether it was submitted, and the queue could not be asked")
    return case.so(RunState.PENDING, "its launcher ended before it was submitted: start the sweep again")


def _waiting(case: Case, element: Element) -> RunStatus:
    if case.lives:
        return case.so(RunState.RUNNING, _alone(case, element) if not case.is_here else None)
    words = waiting(element).replace("scontrol release it", f"scontrol release {case.job}")
    if element.reason.startswith("JobHeld"):
        words = held_by(case.seat, case.others) or f"{words}: scontrol release {case.job_id}"
    return replace(case.so(RunState.PENDING, _onwards(case, words)), ahead=element.ahead)


def held_by(seat: Seat, others: Mapping[str, RunStatus]) -> str | None:
    """What of ours holds the elements of a submission back: the first run, or five equal failures."""
    submission = seat.submission
    # The first run waits for no other: it is held by hand.
    if not submission.has_passed and submission.tasks and seat.index:
        first = others.get(submission.tasks[0][0])
        if first is None or first.state in (RunState.PENDING, RunState.RUNNING, RunState.FINISHED):
            return "held until the first run has passed its first validation"
        return f"held: the first run did not pass its first validation ({first.state}: {first.cause})"
    cause = submission.breaker()
    return f"held: 5 runs in a row failed alike ({cause})" if cause else None


def needs_user(why: str) -> bool:
    """Whether what holds an element back stays until the user has looked at it."""
    return "held: " in why


def _active(case: Case, element: Element) -> RunStatus:
    if element.state in SUSPENDED:
        words = f"suspended in job {case.job}: goes on when Slurm resumes it"
        return case.so(RunState.PENDING, f"{words}, or you: scontrol resume {case.job}")
    where = f" on {element.node}" if element.node else ""
    # A lock may not reach here from another host: there a job that goes on counts for its run.
    if case.status.state is RunState.RUNNING or (case.is_dead and not case.is_here):
        quiet = case.is_silent and case.status.silent_s is not None
        return case.so(
            RunState.RUNNING, f"no sign of life for {_span(case)}; job {case.job} goes on" if quiet else None
        )
    if case.is_dead and case.is_silent:
        return case.so(case.status.state, f"its process ended without a word while job {case.job}{where} goes on")
    if element.state == "COMPLETING":
        return case.so(case.status.state, case.status.cause or f"job {case.job} is ending")
    at_work = [
        each
        for run_id in case.seat.run_ids
        if run_id != case.status.run_id
        and (each := case.others.get(run_id)) is not None
        and (each.state is RunState.RUNNING or each.is_over)
    ]
    words = f"waits its turn in job {case.job}" if at_work else f"job {case.job} is starting it{where}"
    return case.so(RunState.PENDING, _onwards(case, words))


def _alone(case: Case, element: Element | None) -> str | None:
    """What to say of a process that Slurm does not count as running any more; it may just be ending."""
    if element is None or element.state not in ("NODE_FAIL", *WAITING):
        return None
    host = case.status.attempts[-1].host if case.status.attempts else "its host"
    return f"Slurm has given up its node ({element.state.lower()}), but its process on {host} lives on"


def _ended(case: Case, element: Element) -> RunStatus:
    said_itself = case.began and case.status.state is RunState.INTERRUPTED and not case.is_dead
    by_itself = element.state in ("COMPLETED", "FAILED") and not element.signal
    if said_itself and by_itself:
        return case.so(RunState.INTERRUPTED, case.status.cause)
    if element.state in _DIES and not case.began and _others_began(case):
        # How it ended is about them.
        return case.so(RunState.INTERRUPTED, f"job {case.job} {how_it_died(element)} before its turn came")
    line = last_line(log_tail(case.seat.submission.log(case.seat.index))) if element.state == "FAILED" else ""
    state, cause = ending(element, began=case.began, last_line=line)
    epoch = kept_epoch(case.folder) if state is RunState.INTERRUPTED else 0
    return case.so(state, f"{cause}; goes on from epoch {epoch}" if epoch else cause)


def _gone(case: Case) -> RunStatus:
    """No queue has it and accounting does not tell: a pending element that is cancelled leaves no trace at all."""
    text = log_tail(case.seat.submission.log(case.seat.index))
    element = end_in_log(text, case.job_id or 0, case.seat.index)
    if element is not None:
        return _ended(case, element)
    if case.is_dead or case.status.state is RunState.RUNNING:
        asked = "accounting does not know it" if case.view.knows_ends else "accounting does not tell"
        return case.so(RunState.LOST, f"lost: job {case.job} is in no queue, {asked}, and the run left no last word")
    if case.status.state is RunState.INTERRUPTED:
        return case.so(RunState.INTERRUPTED, case.status.cause)
    if text.strip() and not _others_began(case):
        return case.so(RunState.FAILED, f"never started: job {case.job} ended: {last_line(text)}")
    if text.strip():
        return case.so(RunState.INTERRUPTED, f"job {case.job} ended before its turn came")
    return case.so(RunState.CANCELLED, f"cancelled: job {case.job} left the queue before it started")


def _others_began(case: Case) -> bool:
    others = (case.others[run_id] for run_id in case.seat.run_ids if run_id in case.others)
    return any(case.made(past) for other in others for past in other.attempts)


def _unasked(case: Case) -> RunStatus:
    if case.status.state is RunState.PENDING:
        return case.so(RunState.PENDING, f"job {case.job}; the queue could not be asked")
    if case.status.state is RunState.RUNNING or (case.is_dead and not case.is_here):
        return case.so(RunState.RUNNING, f"no sign of life for {_span(case)}, and the queue could not be asked")
    return case.so(case.status.state, case.status.cause)


def _onwards(case: Case, words: str) -> str:
    epoch = kept_epoch(case.folder) if case.status.attempts else 0
    return f"goes on from epoch {epoch}: {words}" if epoch else words


def _span(case: Case) -> str:
    return f"{round((case.status.silent_s or 0) / 60)} min"
