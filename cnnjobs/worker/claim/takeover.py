"""Taking a run over from the copy of it that Slurm has given up. Two workers of one machine never do that."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from cnnjobs.disk import fence
from cnnjobs.disk.metrics_log import MetricsLog
from cnnjobs.disk.run_folder import Attempt, RunFolder, RunRecord, RunState
from cnnjobs.disk.start import Standing
from cnnjobs.errors import StorageError
from cnnjobs.slurm.commands import SlurmError, run
from cnnjobs.worker.claim.heartbeat import TOUCH_S

PATIENCE_S: Final = 3 * TOUCH_S
SILENT_ENDS: Final = 3
_LOOK_S: Final = 0.2
_BEGIN_S: Final = 10
_COMMAND_S: Final = 10
# Slurm may start an array task again while it still ends its old processes.
_GIVEN_UP: Final = {"", "PENDING", "COMPLETING", "NODE_FAIL", "REQUEUED", "PREEMPTED"}


class Takeover:
    """The claim of a job's array task on one run; `created` is when its submission was made (ISO 8601, UTC).

    A holder of the same number, but another `job_name`, is of a job that Slurm has forgotten.
    """

    def __init__(
        self,
        folder: RunFolder,
        job_id: str,
        restart: int,
        created: str,
        stop: Callable[[], bool],
        *,
        job_name: str | None = None,
    ) -> None:
        self._folder, self._stop, self._job_name = folder, stop, job_name
        self._job_id, self._restart, self._created = job_id, restart, created

    @contextmanager
    def claim(self) -> Iterator[MetricsLog | None]:
        """The run's metrics log, held; None when another worker has the run rightly. Raises StorageError.

        A copy that was given up has PATIENCE_S to let go; then the run goes on without its lock.
        """
        with ExitStack() as stack:
            log = self._free(stack)
            if log is None:
                log = self._wait(stack) if self._is_heir() else self._free(stack)
            yield log

    def _free(self, stack: ExitStack) -> MetricsLog | None:
        with ExitStack() as trial:
            log = trial.enter_context(self._folder.claim())
            if log is not None:
                stack.enter_context(trial.pop_all())
            return log

    def _wait(self, stack: ExitStack) -> MetricsLog | None:
        try:
            fence.announce(self._folder)
        except StorageError:
            # Another worker that has just claimed the run clears its folder.
            return self._free(stack)
        print(f"{self._folder.run_id}: waits for the copy that was given up", flush=True)
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if self._stop():
                fence.withdraw(self._folder)
                return None
            log = self._free(stack)
            if log is not None or not fence.is_announced(self._folder):
                return log
            time.sleep(_LOOK_S)
        return stack.enter_context(self._folder.claim(anyway=True))

    def _is_heir(self) -> bool:
        """Check whether the run's holder is a copy that Slurm has given up for this one."""
        holder = self._holder()
        if holder is None or holder.job_id is None or holder.restart is None:
            return False
        same_name = None in (self._job_name, holder.job_name) or holder.job_name == self._job_name
        if holder.job_id == self._job_id and same_name:
            return holder.restart < self._restart
        return holder.started < self._created and (holder.job_id == self._job_id or _is_given_up(holder))

    def _holder(self) -> Attempt | None:
        """The attempt that holds the run; one that has just claimed it is in the record a moment later."""
        until = time.monotonic() + _BEGIN_S
        while not self._stop() and time.monotonic() < until:
            record = self._folder.read_record()
            if record.state is RunState.RUNNING and record.attempts and record.attempts[-1].ended is None:
                return record.attempts[-1]
            if not self._folder.is_claimed():
                break
            time.sleep(_LOOK_S)
        return None


def _is_given_up(holder: Attempt) -> bool:
    """Check whether Slurm no longer runs the array task of an attempt; False when it cannot be asked."""
    named = (f"--name={holder.job_name}",) if holder.job_name else ()
    command = ("squeue", "--noheader", "--array", "--format=%T", f"--jobs={holder.job_id}", *named)
    try:
        done = run(*command, seconds=_COMMAND_S)
    except SlurmError:
        return False
    if done.returncode:
        return "Invalid job id" in done.stderr
    return done.stdout.strip() in _GIVEN_UP


def why_hopeless(before: RunRecord, epoch: int, standing: Standing) -> str | None:
    """Why a run that keeps taking its process down is not to start once more from this epoch, if so."""
    # One that waited for others of its stack may have had no turn.
    recent = [past for past in before.attempts[before.forgiven :] if not past.waited][-SILENT_ENDS:]
    silent = [past for past in recent if past.ended is None and past.from_epoch == epoch]
    if before.state is not RunState.RUNNING or len(silent) < SILENT_ENDS:
        return None
    return (
        f"the last {SILENT_ENDS} starts all ended without an error message before {standing.next}: killed, out of"
        " memory, or the machine went down; give the job more memory, then use --retry-failed"
    )


def code_notes(before: RunRecord, code: str | None) -> tuple[str, ...]:
    """Notes on the own code of a run that an earlier version has begun."""
    if code is None or before.code is not None or not before.epochs_done:
        return ()
    return (f"an earlier version began it and copied no code: it goes on with the copy {code}",)
