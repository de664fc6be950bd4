"""What a sweep has cost: hours of cores and GPUs, time on the wall and in the queue, images in a second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from statistics import fmean, median

from cnnjobs.report import wording
from cnnjobs.report.grids import label_cells
from cnnjobs.report.results import Choice, ResultsTable
from cnnjobs.report.statistics import summarise
from cnnjobs.report.tables import Grid
from cnnjobs.runs import Attempt, RunRecord


def cost_grid(table: ResultsTable) -> Grid:
    """The whole sweep: every start of every run, those that led nowhere too."""
    attempts = [attempt for record in table.records.values() for attempt in record.attempts]
    if not attempts:
        return Grid(("what", "value"), (), labels=2)
    on_gpu = [attempt for attempt in attempts if attempt.device != "cpu"]
    on_cpu = [attempt for attempt in attempts if attempt.device == "cpu"]
    starts = wording.counted(len(attempts), "start")
    rows = [
        ("GPU hours", _hours(_own_s(attempt) for attempt in on_gpu) if on_gpu else ""),
        ("CPU hours", _hours(_own_s(attempt) * attempt.threads for attempt in on_cpu) if on_cpu else ""),
        ("all runs together", f"{wording.duration(sum(map(_own_s, attempts)))} in {starts}"),
        ("from the first start to the last end", wording.duration(_wall_s(attempts))),
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
        epochs = f"{fmean(record.epochs_done for record in finished):.3g}"
        pace = summarise([each for record in finished if (each := _speed(table, record)) is not None])
        speed = f"{pace.mean:,.0f}" + (f" ± {pace.sd:,.0f}" if pace.n > 1 else "") if pace.n else wording.NOTHING
        time = wording.duration(fmean(seconds)) if seconds else wording.NOTHING
        devices = dict.fromkeys(record.attempts[-1].device for record in finished if record.attempts)
        rows.append((*label(choice.configuration, runs[0]), wording.listed([*devices]), epochs, time, speed))
    names = ("device", "epochs", "training of a run", "images/s")
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
    """How long jobs stood in Slurm's queue before their first start; "" where none was submitted."""
    started: dict[str, tuple[str, str]] = {}
    for attempt in attempts:
        if attempt.submitted is not None and attempt.job_id is not None:
            known = started.get(attempt.job_id, (attempt.started, attempt.submitted))
            started[attempt.job_id] = min(known, (attempt.started, attempt.submitted))
    waits = [
        (datetime.fromisoformat(start) - datetime.fromisoformat(submitted)).total_seconds()
        for start, submitted in started.values()
    ]
    if not waits:
        return ""
    mean, longest = wording.duration(fmean(waits)), wording.duration(max(waits))
    return f"{mean} on average, {longest} at most, over {wording.counted(len(waits), 'job')}"
