"""End of a run that its search stops: its record is what it was at the band, whatever it has trained since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnjobs.config.program import ProgramConfig
from cnnjobs.disk.record import RunRecord, RunState
from cnnjobs.programs.outcome import Outcome
from cnnjobs.search.early_stopping import Decision, EarlyStopping
from cnnjobs.worker.claim.claimed_run import ClaimedRun


def end_early(run: ClaimedRun, search: EarlyStopping, decision: Decision) -> dict[str, Any]:
    """Cut the metrics of a run at the band; the changes of its record. Raises StorageError, InputError."""
    storage, folder = run.storage, run.folder
    lines = storage.retry(folder.read_metrics, at_the_end=True)
    number = storage.retry(search.stopping).rule.iteration_line(lines, decision.band)
    kept = storage.retry(lambda: run.log.cut_after(number, folder.cut_file), at_the_end=True)
    metrics, best_epoch = _so_far(run, kept)
    storage.retry(folder.drop_checkpoints, at_the_end=True)
    return {
        "state": RunState.STOPPED,
        "cause": decision.words,
        "trained": False,
        "metrics": metrics,
        "best_epoch": best_epoch,
        "epochs_done": float(kept[-1].get("epoch", len(kept))),
    }


def settle(run: ClaimedRun, search: EarlyStopping, decision: Decision) -> RunRecord:
    """End a run that waited at a band and is stopped there; its record. Raises StorageError, InputError."""
    record = run.storage.look(run.folder.read_record)
    record = record.model_copy(update=end_early(run, search, decision))
    run.storage.retry(lambda: run.folder.write_record(record, run.fence.check), at_the_end=True)
    run.storage.say(str(record.cause))
    return record


def _so_far(run: ClaimedRun, lines: Sequence[Mapping[str, Any]]) -> tuple[dict[str, float], float]:
    """Metrics of a run by these lines, and the epoch that they are of."""
    config = run.storage.retry(run.folder.read_config)
    if isinstance(config, ProgramConfig):
        outcome, metric = Outcome(lines), config.metric
        name, maximize = (metric.name, metric.goal == "maximize") if metric else (None, False)
        best = name if metric and metric.best else None
        return outcome.metrics(best, maximize=maximize), outcome.place(name, maximize=maximize)
    # Of the weights that a finished run would have: those with the lowest validation loss, the earliest of equals.
    best_line = min(lines, key=lambda line: line.get("validation.loss", 0.0))
    metrics = {name: float(value) for name, value in best_line.items() if name.startswith("validation.")}
    return metrics, float(best_line["epoch"])
