"""The first lines of a report: how far the sweep is, what is best, what a reader must know of the rest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from cnnjobs.config.program import ProgramConfig
from cnnjobs.disk.run_folder import RunState
from cnnjobs.report.results.table import Choice, ResultsTable
from cnnjobs.report.text import numbers

_SHOWN: Final = 16
# In the order in which they are told.
_STATE_WORDS: Final = {
    RunState.FINISHED: "finished",
    RunState.STOPPED: "stopped early",
    RunState.RUNNING: "running",
    RunState.FAILED: "failed",
    RunState.INTERRUPTED: "interrupted",
    RunState.CANCELLED: "cancelled",
    RunState.LOST: "lost",
    RunState.PENDING: "not started",
}


@dataclass(frozen=True)
class Best:
    """The configuration with the best mean of the sweep's metric, and its test accuracy, told once."""

    label: str
    chosen_by: str
    chosen: str
    test: str
    seeds: str
    spread: str


def progress(table: ResultsTable) -> str:
    """`12 runs: 10 finished, 1 failed, 1 not started`."""
    counts = Counter(record.state for record in table.records.values())
    told = [f"{counts[state]:,} {word}" for state, word in _STATE_WORDS.items() if counts[state]]
    return f"{numbers.counted(len(table.records), 'run')}: {', '.join(told)}"


def state_of(table: ResultsTable) -> str:
    """The time of the last thing that a run of this sweep has told, in UTC; "" before the first."""
    attempts = [attempt for record in table.records.values() for attempt in record.attempts]
    last = max((attempt.ended or attempt.started for attempt in attempts), default="")
    return f"{last[:16].replace('T', ' ')} UTC" if last else ""


def state_word(state: RunState) -> str:
    """A state as readers see it."""
    return _STATE_WORDS[state]


def is_complete(table: ResultsTable) -> bool:
    """Check whether every run has finished, or was stopped early."""
    return all(record.state.has_passed for record in table.records.values())


def best(table: ResultsTable, ranked: list[Choice]) -> Best | None:
    """The best configuration; None while no run has finished."""
    if not ranked:
        return None
    choice = ranked[0]
    runs, test = choice.configuration.runs, "test.accuracy"
    return Best(
        label=choice.configuration.label,
        chosen_by=numbers.metric_name(choice.metric),
        chosen=numbers.mean_and_sd(choice.metric, choice.summary),
        test=numbers.mean_and_sd(test, table.summary(runs, test)),
        seeds=seeds_text(choice.summary.n, len(runs)),
        spread="mean ± standard deviation" if choice.summary.n > 1 else "one network: its spread is not known",
    )


def seeds_text(finished: int, planned: int) -> str:
    """`3 seeds`, or `2 of 3 seeds`."""
    return numbers.counted(planned, "seed") if finished == planned else f"{finished} of {planned} seeds"


def other_data(table: ResultsTable) -> list[str]:
    """A line for each data set whose images changed between runs; one of an import path counts with its options."""
    seen: dict[tuple[str, str], Counter[str]] = {}
    for run in table.sweep.runs:
        if isinstance(run.config, ProgramConfig):
            continue
        data, sha256 = run.config.dataset, table.records[run.run_id].data_sha256
        if sha256 is not None:
            options = data.model_dump_json() if ":" in data.name else ""
            seen.setdefault((data.name, options), Counter())[sha256[:_SHOWN]] += 1
    told = []
    for (name, _), counts in seen.items():
        if len(counts) > 1:
            states = [f"{numbers.counted(number, 'run')} on {state}..." for state, number in counts.items()]
            changed = f"The images of data set {name} changed between these runs: {numbers.listed(states)} (SHA-256)."
            told.append(f"{changed} Do not compare them.")
    return told


def remarks(table: ResultsTable) -> list[str]:
    """Remarks that qualify the rest: parts left out, passed over or not as requested."""
    told = [*table.sweep.notices]
    if table.strays:
        ids = ", ".join(record.run_id for record in table.strays)
        runs = numbers.counted(len(table.strays), "run")
        told.append(f"{runs} on disk, not in the sweep file any more and in no table here: {ids}")
    notes = Counter(note for record in table.records.values() for note in record.notes)
    told += [f"{note} ({numbers.counted(count, 'run')})" for note, count in sorted(notes.items())]
    return told
