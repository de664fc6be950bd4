"""Cost of a sweep: hours of cores and GPUs, time on the wall and in the queue, images in a second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from statistics import fmean, median

from cnnjobs.disk.run_folder import Attempt, RunRecord
from cnnjobs.report.results.files import Grid
from cnnjobs.report.results.statistics import summarise
from cnnjobs.report.results.table import Choice, ResultsTable
from cnnjobs.report.sections.tables import label_cells
from cnnjobs.report.text import numbers


def cost_grid(table: ResultsTable) -> Grid:
    """The whole sweep: every start of every run, those that led nowhere too."""
    attempts = [attempt for record in table.records.values() for attempt in record.attempts]
    if not attempts:
        return Grid(("what", "value"), (), labels=2)
    on_gpu = [attempt for attempt in attempts if attempt.device != "cpu"]
    on_cpu = [attempt for attempt in attempts if attempt.device == "cpu"]
    starts = numbers.counted(len(attempts), "start")
    rows = [
        ("GPU hours", _hours(_own_s(attempt) for attempt in on_gpu) if on_gpu else ""),
        ("CPU hours", _hours(_own_s(attempt) * attempt.threads for attempt in on_cpu) if on_cpu else ""),
        ("all runs together", f"{numbers.duration(sum(map(_own_s, attempts)))} in {starts}"),
        ("from the first start to the last end", numbers.duration(_wall_s(attempts))),
        ("waiting in the queue", _waited(attempts)),
    ]
    return Grid(("what", "value"), tuple(row for row in rows if row[1]), labels=2)


def costs_grid(table: ResultsTable, ranked: Sequence[Choice]) -> Grid:
    """A row per configuration with a finished run, the best first: mean ± sd over these."""
    columns, label = label_cells(table)
    rows = []
    for choice in ranked:
        runs = choice.configuration.runs
        finished = table.finished(runs)
        seconds = [table.lines[record.run_id][-1]["seconds"] for record in finished if table.lines[record.run_id]]
        epochs = (f"{fmean(record.epochs_done for record in finished):.3g}",)
        pace = summarise([each for record in finished if (each := _speed(table, record)) is not None])
        speed = f"{pace.mean:,.0f}" + (f" ± {pace.sd:,.0f}" if pace.n > 1 else "") if pace.n else numbers.NOTHING
        time = numbers.duration(fmean(seconds)) if seconds else numbers.NOTHING
        devices = dict.fromkeys(record.attempts[-1].device for record in finished if record.attempts)
        cells = (time,) if table.sweep.is_of_program else (*epochs, time, speed)
        rows.append((*label(choice.configuration, runs[0]), numbers.listed([*devices]), *cells))
    names = ("time of a run",) if table.sweep.is_of_program else ("epochs", "training of a run", "images/s")
    names = ("device", *names)
    return Grid((*columns, *names), tuple(rows), labels=len(columns) + 1)


def _own_s(attempt: Attempt) -> float:
    """The length of a start; of runs that are trained as one network each has its part."""
    return attempt.seconds / (1 + attempt.stacked)


def _hours(seconds: Iterable[float]) -> str:
    return f"{sum(seconds) / 3600:.3g}"


def _speed(table: ResultsTable, record: RunRecord) -> float | None:
    """Training images in a second: the median over a run's validations."""
    found = [line["images_per_s"] for line in table.lines[record.run_id] if line.get("images_per_s") is not None]
    return median(found) if found else None


def _wall_s(attempts: Sequence[Attempt]) -> float:
    first = min(datetime.fromisoformat(attempt.started) for attempt in attempts)
    ends = [datetime.fromisoformat(attempt.ended or attempt.started) for attempt in attempts]
    return (max(ends) - first).total_seconds()


def _waited(attempts: Sequence[Attempt]) -> str:
    """Time of jobs in Slurm's queue before each start, as far as it is known; "" where none was submitted.

    A job that was requeued waits again from the end of its last run there; after a kill nobody knows when that was.
    """
    jobs: dict[str, dict[int, list[Attempt]]] = {}
    for attempt in attempts:
        if attempt.job_id is not None:
            jobs.setdefault(attempt.job_id, {}).setdefault(attempt.restart or 0, []).append(attempt)
    waits: dict[tuple[str, int], float] = {}
    for job, starts in jobs.items():
        for restart, found in starts.items():
            first = min(found, key=lambda attempt: attempt.started)
            began = first.submitted if restart == 0 else _last_end(starts.get(restart - 1, ()))
            if began is not None:
                waited = datetime.fromisoformat(first.started) - datetime.fromisoformat(began)
                waits[job, restart] = waited.total_seconds()
    if not waits:
        return ""
    mean, longest = numbers.duration(fmean(waits.values())), numbers.duration(max(waits.values()))
    number, of_jobs = numbers.counted(len(waits), "start"), numbers.counted(len({job for job, _ in waits}), "job")
    return f"{mean} on average, {longest} at most, over {number} of {of_jobs}"


def _last_end(attempts: Sequence[Attempt]) -> str | None:
    """When the last of these ended; None where one of them did not tell its end."""
    ends = [attempt.ended for attempt in attempts if attempt.ended is not None]
    return max(ends, default=None) if len(ends) == len(attempts) else None
