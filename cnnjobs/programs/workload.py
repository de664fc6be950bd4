"""A program of the user's own as what trains a run: started, listened to, asked to end, judged by how it has ended."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from cnnjobs.config.program import ProgramConfig
from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.disk.start import Result, Standing, Start
from cnnjobs.errors import ProgramError
from cnnjobs.programs.causes import GO_ON_LATER, cause_of_exit
from cnnjobs.programs.environment import search_path
from cnnjobs.programs.lines import Lines
from cnnjobs.programs.metrics.channel import Channel
from cnnjobs.programs.metrics.collector import Collector
from cnnjobs.programs.outcome import Outcome
from cnnjobs.programs.output import Output
from cnnjobs.programs.preparation import Preparation
from cnnjobs.programs.process import GRACE_S, ProgramProcess
from cnnjobs.programs.reported import ProgramPlaces, Reported
from cnnjobs.programs.shared_files import SharedFiles
from cnnjobs.programs.untaken import untaken_lines
from cnnjobs.system.memory import memory_kills
from cnnjobs.system.stop_request import GoesOnLater, Stopped

LOOK_S: Final = 0.1
ASKED: Final = f"asked to be started again (exit code {GO_ON_LATER})"
_HEARS_S: Final = 0.5
_TOLD_EVERY_S: Final = 5.0


class ProgramWorkload:
    """A program that is a run; torchrun, where the run asks for it, starts it in so many `processes`.

    It may use `threads` and the GPUs that `gpu` lists, as CUDA_VISIBLE_DEVICES does; None hides all. What has not ended
    `grace_s` after SIGTERM, as that is then, is killed.
    """

    def __init__(
        self,
        *,
        threads: int,
        gpu: int | str | None,
        processes: int = 0,
        notes: Sequence[str] = (),
        grace_s: Callable[[], float] = lambda: GRACE_S,
    ) -> None:
        self._threads, self._gpu, self._processes = threads, gpu, processes
        self._grace_s, self.notes = grace_s, tuple(notes)
        self._outcome = Outcome()
        self._told_at = 0.0
        self._folder: RunFolder | None = None
        self._lines = Lines(1, (), goes_on=False, seconds=self._seconds)

    @property
    def device(self) -> str:
        """Name of what it may compute on."""
        return "cpu" if self._gpu in (None, "") else f"GPU {self._gpu}"

    @property
    def epoch(self) -> int:
        """Lines of metrics that count: nothing else is known of how far a program is."""
        return self._outcome.number

    @property
    def epochs_done(self) -> float:
        """The same."""
        return float(self._outcome.number)

    def versions(self) -> dict[str, str]:
        """The Python that a program finds first, where it is one."""
        found = shutil.which("python", path=search_path(os.environ))
        return {"python": found} if found else {}

    def load(self, folder: RunFolder) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
        """Every line that counts, once the program has been started: it has its own checkpoints, if any."""
        self._folder = folder
        if not folder.program_folder.is_dir():
            return None, ()
        lines = folder.read_metrics()
        last = max((line["step"] for line in lines), default=0)
        done = Outcome(lines).number
        return {"epoch": done, "step": last, "validations": len(lines), "threads": self._threads}, ()

    def open(self, start: Start) -> None:
        """Make the places of the program, and find out whether it goes on. Raises StorageError."""
        folder, self._start = start.folder, start
        self._clock = time.perf_counter()
        self._before_s = max((float(line.get("seconds", 0.0)) for line in start.lines), default=0.0)
        self._preparation = Preparation(start)
        self._config = self._preparation.config
        self._places = self._preparation.places
        goes_on = folder.has_checkpoint or (start.before.cause or "").startswith(ASKED)
        self._lines = Lines(start.attempt, start.lines, goes_on=goes_on, seconds=self._seconds)
        start.storage.retry(self._preparation.make_places)
        store = folder.path.resolve().parent
        self._shared = SharedFiles(folder.run_id, self._places.working_folder, store, self._places.started)
        self._outcome = Outcome(start.lines)
        self._collector = _collector(self._config, self._places)
        self._output = Output(start.say, self._collector.hear)

    def train(self, on_metrics: Callable[..., None], on_checkpoint: Callable[[], None]) -> None:
        """Start the program and stay with it to its end. Raises ProgramError, Stopped."""
        del on_checkpoint
        if self._start.before.trained:
            return
        kills = memory_kills()
        self._take_over(on_metrics)
        asked_at: float | None = None
        looked_at = 0.0
        with self._running() as program:
            while program.runs(LOOK_S):
                now = time.monotonic()
                if now - looked_at >= LOOK_S:
                    looked_at = now
                    self._shared.look(program.pids)
                    self._report(self._start.storage.retry(self._collector.poll), on_metrics)
                if asked_at is None and self._start.stopped():
                    asked_at = now
                    self._start.say(f"the program is asked to end (SIGTERM); killed after {self._grace_s():g} s")
                    program.ask_to_end()
                elif asked_at is not None and now - asked_at > self._grace_s():
                    self._start.say(f"the program did not end within {now - asked_at:.0f} s: killed")
                    program.kill()
                    asked_at = now
            code, left = program.finish()
        self._output.close()
        self._report(self._start.storage.retry(self._collector.close), on_metrics)
        with suppress(OSError):
            told = self._collector.opened
            self._start.note(self._start.storage.retry(lambda: self._shared.finish(told)))
        self._judge(code, left, was_asked=asked_at is not None, memory_was_full=memory_kills() > kills)
        for line in self._lines.began_anew():
            on_metrics(line)

    def standing(self, epoch: int) -> Standing:
        """Where the run stands: from its checkpoint folder it goes on, from a place of its own as it did before."""
        if self._folder is None:
            return Standing.of_epochs(epoch)
        return Standing.of_program(self._folder, epoch, goes_on=self._lines.goes_on)

    def measured(self, line: Mapping[str, Any]) -> None:
        """Hear that a line of metrics is kept."""
        self._outcome.add(line)

    def progress(self, line: Mapping[str, Any]) -> str:
        """A line of metrics in words, every few seconds."""
        now = time.monotonic()
        if now - self._told_at < _TOLD_EVERY_S or not line["source"]:
            return ""
        self._told_at = now
        values = {name: value for name, value in line.items() if name not in ("attempt", "step", "seconds", "source")}
        told = [f"{name} {value:.5g}" for name, value in values.items() if isinstance(value, int | float)]
        return f"step {line['step']:g}: {', '.join(told[:6])}"

    def save(self, folder: RunFolder, extra: Mapping[str, Any], *, check: bool, guard: Callable[[], None]) -> None:
        """Nothing: a program keeps its checkpoints itself."""

    def finish(self) -> Result:
        """The value that counts of each metric, and what is to be known of them."""
        metric, best, maximize = _asked_metric(self._config)
        notes = (*self._lines.notes, *self._collector.notes, *self._outcome.notes(metric))
        metrics = self._outcome.metrics(metric if best else None, maximize=maximize)
        return Result(metrics, self._outcome.place(metric, maximize=maximize), notes=notes)

    def close(self, result: Result) -> None:
        """Nothing is left to be done."""

    def _seconds(self) -> float:
        return self._before_s + time.perf_counter() - self._clock

    @contextmanager
    def _running(self) -> Iterator[ProgramProcess]:
        preparation = self._preparation
        resume = preparation.resume()
        self._lines.goes_on |= bool(resume)
        environment = preparation.environment(self._gpu, goes_on=self._lines.goes_on)
        line = preparation.command_line(resume, environment, processes=self._processes)
        self._start.say(f"starts {' '.join(line)}")
        folder = self._places.working_folder
        program = ProgramProcess(line, environment=environment, folder=folder, feed=self._output.feed)
        try:
            yield program
        except Stopped:
            # The results are away, and nobody waits for them any more.
            program.end_within(self._grace_s())
            raise
        finally:
            program.close()

    def _take_over(self, on_metrics: Callable[..., None]) -> None:
        """Add what the attempt before has reported, if its worker was killed, and get ready for lines of this one."""
        start, before = self._start, self._start.attempt - 1
        left = start.storage.retry(lambda: untaken_lines(start.folder, before, self._reported_before()))
        if left:
            on_metrics(*left)
            start.say(f"attempt {before} had reported {len(left)} lines more: taken over")
            earlier, goes_on = (*start.lines, *left), self._lines.goes_on
            self._lines = Lines(start.attempt, earlier, goes_on=goes_on, seconds=self._seconds)

    def _reported_before(self) -> Sequence[Reported]:
        """Reports of the attempt before; those in files only where its worker did not see its end."""
        number = self._start.attempt - 1
        if not number:
            return ()
        places = self._preparation.places_before()
        if any(each.number == number and each.ended for each in self._start.before.attempts):
            return Channel(places.metrics_file).look(at_the_end=True)
        return _collector(self._config, places).close()

    def _report(self, reported: Sequence[Any], on_metrics: Callable[..., None]) -> None:
        lines = self._lines.lines(reported)
        if lines:
            on_metrics(*lines)

    def _was_told_by_others(self) -> bool:
        """Check whether what has asked this process to end has asked the program, too: Slurm signals all of a job's."""
        until = time.monotonic() + _HEARS_S
        while not (stopped := self._start.stopped()) and time.monotonic() < until:
            time.sleep(LOOK_S / 2)
        return stopped

    def _judge(self, code: int, left: Sequence[str], *, was_asked: bool, memory_was_full: bool) -> None:
        """Raises Stopped where it is to go on, ProgramError where it has failed."""
        left = [self._preparation.in_project(name) for name in left]
        if left:
            number = "1 process" if len(left) == 1 else f"{len(left)} processes"
            self._start.note(f"the program left {number} behind, ended with it: {'; '.join(left[:3])}")
        if was_asked or (code and self._was_told_by_others()):
            raise Stopped
        if code == GO_ON_LATER:
            raise GoesOnLater(ASKED)
        tail = tuple(self._output.tail)
        cause = ""
        if code:
            folders = self._preparation.code_folders
            cause = cause_of_exit(code, tail, own_folders=folders, memory_was_full=memory_was_full)
        elif left and not self._outcome.number:
            where = f"in the background ({left[0]})"
            cause = f"the program went on {where} and was over with that: start it in the foreground"
        if cause:
            raise ProgramError(cause, "\n".join(tail) or cause)


def _collector(config: ProgramConfig, places: ProgramPlaces) -> Collector:
    metric, _, _ = _asked_metric(config)
    return Collector(places, collect=config.collect, metric=metric)


def _asked_metric(config: ProgramConfig) -> tuple[str | None, bool, bool]:
    """The metric of the sweep, whether its best value counts, and whether more is better."""
    metric = config.metric
    return (metric.name, metric.best, metric.goal == "maximize") if metric else (None, False, True)
