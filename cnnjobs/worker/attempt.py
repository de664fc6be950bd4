"""One attempt at a run: from its claim to its last record."""

from __future__ import annotations

import itertools
import math
import os
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from cnnjobs.disk.fence import Superseded
from cnnjobs.disk.files import write_whole
from cnnjobs.disk.run_folder import Attempt, RunRecord, RunState
from cnnjobs.disk.start import Standing, Start
from cnnjobs.errors import ProgramError, RunError, StorageError
from cnnjobs.system import origin
from cnnjobs.system.failure import cause_of
from cnnjobs.system.stop_request import GoesOnLater, Stopped
from cnnjobs.training.data.ranks import RankLost, same_sums
from cnnjobs.worker.claim.claimed_run import ClaimedRun
from cnnjobs.worker.claim.takeover import code_notes, why_hopeless
from cnnjobs.worker.environment import JobEnvironment
from cnnjobs.worker.search.band_watch import BandWatch, LeavesAtBand
from cnnjobs.worker.workload import Workload

NO_LOCKS_NOTE: Final = "this file system has no file locks: a mark in the run folder kept other processes away instead"
# Of the attempts in this process, and in those that it was forked from.
NUMBERS: Final = itertools.count()
# What an attempt takes over from the record of the one before it.
_KEPT: Final = {"notes", "forgiven", "num_images", "weights_sha256", "data_sha256", "code"}


class RunAttempt:
    """A start of a claimed run that goes on from its last whole epoch and leaves a record of how it ended.

    `beside` are the ids of the runs with which it trains as one network.
    """

    def __init__(
        self,
        run: ClaimedRun,
        workload: Workload,
        *,
        threads: int,
        environment: JobEnvironment | None = None,
        beside: Sequence[str] = (),
    ) -> None:
        self.run, self._workload = run, workload
        self._folder, self._log, self._fence, self._storage = run.folder, run.log, run.fence, run.storage
        self._say, self._beside = run.storage.say, tuple(beside)
        self._environment = environment or JobEnvironment()
        self._ranks = self._environment.ranks
        self._clock = time.perf_counter()
        self._before = self._storage.look(run.folder.read_record)
        self._bands = BandWatch(self._environment.early_stopping, run)
        self._attempt = Attempt(
            number=max(len(self._before.attempts), self._storage.look(run.folder.last_attempt)) + 1,
            host=origin.host(),
            pid=os.getpid(),
            job_id=origin.job_id(),
            job_name=origin.job_name(),
            restart=self._environment.restart,
            submitted=self._environment.submitted,
            device=workload.device,
            threads=threads,
            ranks=self._ranks.number,
            started=origin.now(),
            process_s=origin.process_age() if next(NUMBERS) == 0 else None,
            stacked=len(self._beside),
        )
        self._record = RunRecord(run_id=run.folder.run_id, **self._before.model_dump(include=_KEPT))
        self._is_open = self._has_saved = self.has_ended = self.starts_again = False

    def execute(self) -> RunState:
        """Train to the end, or to whatever ends it.

        Raises Superseded when a newer attempt has the run, RankLost when this one has lost another rank, and
        StorageError when not even the end can be written.
        """
        with self.run.heartbeat, self.recorded(), self._ranks.explaining():
            self.prepare()
            self._workload.train(self.on_validation, self.on_epoch)
            self.finish()
        return self.tell_end()

    @property
    def threads(self) -> int:
        """Those that it has had from its first epoch on."""
        return self._attempt.threads

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record the error that ends the run in here. Raises Superseded, RankLost, StorageError when it cannot."""
        try:
            yield
        except Superseded:
            raise
        except RankLost as lost:
            # Write no end: the lost rank wrote none either.
            self.note(f"attempt {self._attempt.number}: {lost}")
            self._write_record()
            raise
        except (Stopped, KeyboardInterrupt) as stop:
            self._end_stopped(stop)
        except Exception as error:
            told = error.output if isinstance(error, ProgramError) else traceback.format_exc()
            self._end_failed(cause_of(error), told)

    def prepare(self) -> None:
        """Open the workload, at its last whole epoch."""
        code, config = self._storage.look(lambda: self._folder.read_to_start(self._environment.code))
        self._update(planned_epochs=config.budget or 0, code=code)
        for note in code_notes(self._before, code):
            self.note(note)
        state, lines = self._resumed()
        if state is not None:
            changes, note = same_sums(state, self._ranks)
            self._attempt = self._attempt.model_copy(update={"from_epoch": state["epoch"], **changes})
            self.note(f"attempt {self._attempt.number}: {note}" if note else "")
            self._update(epochs_done=state["epoch"])
        self._refuse_a_hopeless_start()
        self._begin()
        start = Start(
            config, code, self._folder, self._before, state, lines, threads=self._attempt.threads,
            storage=self._storage, stopped=self._storage.stopped, say=self._say, note=self.note, learn=self._update,
            attempt=self._attempt.number,
        )  # fmt: skip
        self._workload.open(start)
        self._is_open = True
        self._write_record()
        self._bands.begin(lines)

    def wait(self) -> None:
        """Note that others of its stack go ahead of it: where it gets nowhere now, that is no fault of its own."""
        if self._attempt.waited:
            return
        self._before = self._before.model_copy(update={"cause": None})
        self._attempt = self._attempt.model_copy(update={"waited": True})
        self._update(attempts=(*self._before.attempts, self._attempt))
        self._write_record()

    def on_validation(self, *measured: dict[str, Any]) -> None:
        """Keep lines of metrics, all at once."""
        lines = [{"attempt": self._attempt.number, **line} for line in measured]
        self._storage.retry(lambda: self._add(lines))
        for line in lines:
            self._tell(line)
        self._bands.measured(lines)
        self._storage.retry(lambda: self._environment.validated(self._folder))

    def _tell(self, line: Mapping[str, Any]) -> None:
        self._storage.retry(lambda: self._workload.measured(line))
        if progress := self._workload.progress(line):
            self._say(progress)

    def on_epoch(self) -> None:
        """Keep a checkpoint."""
        given = {"threads": self._attempt.threads, "ranks": self._attempt.ranks}
        save, check = self._workload.save, not self._has_saved
        self._storage.retry(lambda: save(self._folder, given, check=check, guard=self._fence.check))
        self._has_saved = True
        self._bands.at_checkpoint()

    def _add(self, lines: Sequence[Mapping[str, Any]]) -> None:
        self._fence.check()
        self._log.append(*lines)

    def finish(self) -> None:
        """Keep what has been learned, and how well. Raises LeavesAtBand where a search has the run wait."""
        self._bands.at_end()
        result = self._workload.finish()
        for file, content in result.files.items():
            self._keep(file, content)
        self._storage.retry(lambda: self._workload.close(result))
        for note in result.notes:
            self.note(note)
        self._end(RunState.FINISHED, metrics=result.metrics, best_epoch=result.best_epoch)
        # Else they go when a worker passes the run.
        with suppress(OSError, StorageError):
            self._storage.look(self._folder.drop_leftovers, at_the_end=True)

    def _keep(self, file: Path, content: bytes) -> None:
        self._storage.retry(lambda: write_whole(file, content, guard=self._fence.check, make_folder=False))

    def _resumed(self) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
        """State that the run continues from: a checkpoint and the lines of metrics up to it, or nothing."""
        self._fence.check()
        state, notes = self._storage.retry(lambda: self._workload.load(self._folder))
        step = 0 if state is None else state["step"]
        lines = self._storage.retry(lambda: self._log.keep_up_to(step)) if state is not None else []
        if state is not None and len(lines) != state["validations"]:
            notes += (f"metrics.jsonl holds {len(lines)} of the checkpoint's {state['validations']} lines",)
            state, lines = None, []
        if notes:
            then = "started anew" if state is None else f"went on from epoch {state['epoch']}"
            self.note(f"attempt {self._attempt.number}: {'; '.join(notes)}: {then}")
        if state is None:
            self._storage.retry(lambda: self._log.keep_up_to(-math.inf))
            self._storage.look(self._folder.reset)
        return state, lines

    def _refuse_a_hopeless_start(self) -> None:
        """A run that keeps taking its process down is not started for ever."""
        epoch = self._attempt.from_epoch
        standing = self._workload.standing(max(epoch, int(self._before.epochs_done)))
        refused = self._environment.refuse(self._before, standing)
        refused = refused or why_hopeless(self._before, epoch, self._workload.standing(epoch))
        if refused:
            raise RunError(refused)

    def _begin(self) -> None:
        if not self._log.locked:
            self.note(NO_LOCKS_NOTE)
        if not self._log.is_alone:
            self.note(f"attempt {self._attempt.number}: the one before was given up with its node and kept the run")
        for note in self._workload.notes:
            self.note(note)
        if self._beside:
            # In the same words for all of them, and for every attempt: it is told once.
            together = ", ".join(sorted((self._folder.run_id, *self._beside)))
            stacked = "trained stacked (one network, the same batches; times are its share)"
            self.note(f"{stacked}: {together}")
        commit, dirty = origin.git_state(Path.cwd())
        self._update(
            state=RunState.RUNNING,
            attempts=(*self._before.attempts, self._attempt),
            versions=self._workload.versions(),
            git_commit=commit,
            git_dirty=dirty,
        )
        self._write_record()
        self._storage.retry(lambda: self._fence.begun(self._attempt))
        where = ""
        if self._attempt.from_epoch:
            where = f"{self._workload.standing(self._attempt.from_epoch).goes_on.removeprefix('goes on ')}, "
        self._say(f"attempt {self._attempt.number}, {where}{self._attempt.device}, threads: {self._attempt.threads}")

    def tell_end(self) -> RunState:
        """Let the environment hear how it has ended."""
        self._storage.retry(lambda: self._environment.ended(self._record), at_the_end=True)
        return self._record.state

    def _end(self, state: RunState, cause: str | None = None, **changes: Any) -> None:
        self.has_ended = True
        ended = {"ended": origin.now(), "seconds": time.perf_counter() - self._clock}
        if self._is_open:
            # Only whole epochs are on disk when a run does not finish.
            finished = state is RunState.FINISHED
            done = self._workload.epochs_done if finished else float(self._workload.epoch)
            changes.setdefault("epochs_done", done)
        attempts = (*self._before.attempts, self._attempt.model_copy(update=ended))
        self._update(state=state, cause=cause, attempts=attempts, **changes)
        self._write_record(at_the_end=True)
        results = [f"{name} {value:.4f}" for name, value in self._record.metrics.items()]
        self._say(" ".join(filter(None, (f"{state}:", self._record.cause, *results))))

    def _end_failed(self, cause: str, told: str) -> None:
        """End as failed, unless a verdict is missing: what it has trained since its band does not count yet."""
        if self._bands.decision.waits:
            self.note(f"attempt {self._attempt.number}: failed while its verdict was missing ({cause})")
            self._end(RunState.PENDING, self._bands.decision.words)
        else:
            self._end(RunState.FAILED, cause=cause, traceback=told)

    def _end_stopped(self, stop: BaseException) -> None:
        cause = self._storage.look(self._folder.cancellation, at_the_end=True)
        trained = self._workload.epoch if self._is_open else 0
        standing = self._workload.standing(max(trained, self._attempt.from_epoch))
        if cause is not None:
            self._end(RunState.CANCELLED, cause)
        elif (changes := self._bands.end(trained=isinstance(stop, LeavesAtBand))) is not None:
            self._end(**changes)
        elif isinstance(stop, GoesOnLater):
            self._end_to_go_on(f"{stop}: {standing.goes_on}", standing)
        else:
            self._end(*self._environment.stopped(self._before, standing))

    def _end_to_go_on(self, cause: str, standing: Standing) -> None:
        """End as a run that is started again at once, unless that has brought it no further."""
        if (self._before.state, self._before.cause) == (RunState.INTERRUPTED, cause):
            self._end(RunState.FAILED, f"{cause}, and has done so twice before {standing.next}")
        else:
            self.starts_again = True
            self._end(RunState.INTERRUPTED, cause)

    def _write_record(self, *, at_the_end: bool = False) -> None:
        self._storage.retry(lambda: self._folder.write_record(self._record, self._fence.check), at_the_end=at_the_end)

    def _update(self, **changes: Any) -> None:
        self._record = self._record.model_copy(update=changes)

    def note(self, note: str) -> None:
        """Add a note to the record and the log."""
        if note and note not in self._record.notes:
            self._update(notes=(*self._record.notes, note))
            self._say(f"note: {note}")
