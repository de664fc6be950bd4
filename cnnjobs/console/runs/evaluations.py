"""Evaluations of finished runs: their ends as they come, and all that records hold as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from cnnjobs.console.terminal import error, notice, say, show
from cnnjobs.disk.run_folder import RunFolder, RunRecord, RunState
from cnnjobs.disk.submission_folder import EvaluationRequest
from cnnjobs.status.evaluations import EvaluationStatus
from cnnjobs.status.run_status import label
from cnnjobs.sweep.file import SweepRun

if TYPE_CHECKING:
    from cnnjobs.launch.evaluate import Ending, SubmittedEvaluation

_STYLES: Final = {RunState.FAILED: "red", RunState.LOST: "red", RunState.RUNNING: "cyan", RunState.PENDING: "dim"}


def show_ending(ending: Ending, run: SweepRun, folder: RunFolder, request: EvaluationRequest, count: str) -> None:
    """Show the end of the evaluation of a run."""
    name = request.name(run.network.dataset.name)
    if ending.state != "finished":
        error(f"{count} {label(run)}: {name}: {ending.cause}")
        return
    evaluation = folder.read_record().evaluations[name]
    for note in evaluation.notes:
        notice(f"{label(run)}: {note}")
    say(f"{count} {label(run)}: {name}: {metrics_in_words(evaluation.metrics)}")


def metrics_in_words(metrics: Mapping[str, float]) -> str:
    """`loss 1.476, accuracy 48.5 %`."""
    return f"loss {metrics['loss']:.4f}, accuracy {100 * metrics['accuracy']:.2f} %"


def show_stopped(done: int, asked: int) -> None:
    """Say that Ctrl-C has ended it."""
    error(f"stopped; {done} of {asked} evaluations are kept")


def show_submitted_evaluation(submitted: SubmittedEvaluation, runs: int, reason: str, words: str) -> None:
    """Where the job goes, its number, and the commands that come next."""
    from cnnjobs.console.runs.submission import show_order

    show_order(submitted.order, reason)
    for text in submitted.notices:
        notice(text)
    asked = "1 evaluation" if runs == 1 else f"{runs} evaluations"
    say(f"submitted: job {submitted.job_id}, {asked}", style="bold")
    say(f"look at it with: cnnjobs status {words}")
    say(f"stop it with: cnnjobs cancel {words}")


def evaluations_table(evaluations: Sequence[EvaluationStatus]) -> Table:
    """One row per evaluation, with what keeps those that are not done."""
    table = Table(box=None, pad_edge=False)
    for heading in ("evaluation", "run", "of"):
        table.add_column(heading)
    for heading in ("loss", "accuracy", "images"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for each in evaluations:
        if each.state is RunState.FINISHED:
            cells = (*_numbers(each.metrics), f"{each.num_images:,}", _when(each.at, each.device))
        else:
            cells = ("", "", "", each.cause or "")
        table.add_row(str(each.state), each.status.label, each.name, *cells, style=_STYLES.get(each.state))
    return table


def show_measured(record: RunRecord) -> None:
    """Show metrics of the best weights of a run: on its own splits, then wherever they were evaluated."""
    table = Table(box=None, pad_edge=False)
    table.add_column("measured on")
    for heading in ("loss", "accuracy", "images"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for split, number in record.num_images.items():
        metrics = {name: record.metrics.get(f"{split}.{name}") for name in ("loss", "accuracy")}
        if None not in metrics.values():
            table.add_row(split, *_numbers(metrics), f"{number:,}", "at the end of its training")
    for each in record.evaluations.values():
        table.add_row(each.name, *_numbers(each.metrics), f"{each.num_images:,}", _when(each.at, each.device))
    if table.row_count:
        show(table)


def _numbers(metrics: Mapping[str, Any]) -> tuple[str, str]:
    return f"{metrics['loss']:.4f}", f"{100 * metrics['accuracy']:.2f} %"


def _when(at: str, device: str) -> str:
    return f"{at[:16].replace('T', ' ')} UTC, {device}"
