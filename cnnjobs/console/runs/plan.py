"""The plan of a sweep: what runs, what is kept, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from cnnjobs.console.own_code import show_code
from cnnjobs.console.terminal import notice, say
from cnnjobs.disk.submission_folder import Stacks
from cnnjobs.launch.plan.plan import Action, Plan
from cnnjobs.launch.plan.resources import Resources
from cnnjobs.launch.plan.search import in_words, proposals_in_words
from cnnjobs.status.run_status import label

_WORDS: Final = {
    Action.NEW: "new",
    Action.RESUMED: "to resume",
    Action.AGAIN: "to run again",
    Action.RUNNING: "running",
    Action.QUEUED: "queued",
    Action.FINISHED: "finished",
    Action.FAILED: "failed",
    Action.LEFT: "left as they are",
}
_MANY: Final = 100
_LISTED: Final = 20


def show_plan(plan: Plan) -> None:
    """One line for the sweep, and one for what left its file."""
    for text in plan.sweep.notices:
        notice(text)
    counts = [f"{plan.count(action)} {word}" for action, word in _WORDS.items() if plan.count(action)]
    counts += [f"{plan.search.to_come} to be proposed"] if plan.search.to_come else []
    number = len(plan.runs) + plan.search.to_come
    runs = "1 run" if number == 1 else f"{number} runs"
    say(f"{plan.sweep.name}: {runs}: {', '.join(counts)}", style="bold")
    if plan.left:
        one = len(plan.left) == 1
        which, stay = (
            ("1 run on disk is", "stays as it is")
            if one
            else (f"{len(plan.left)} runs on disk are", "stay as they are")
        )
        say(f"{which} not in the file any more and {stay}, under {plan.store.path}")
    show_code(plan)
    for words in filter(None, (proposals_in_words(plan.search), in_words(plan.sweep, plan.search))):
        say(words)
    for text in plan.search.told:
        notice(text)


def show_notes(notes: Iterable[str]) -> None:
    """Show notes before anything starts, a line each."""
    for text in notes:
        notice(text)


def show_idle(plan: Plan) -> None:
    """Say that nothing is left to run."""
    failed = plan.count(Action.FAILED)
    kept = f"; {failed} failed before and {'is' if failed == 1 else 'are'} kept so" if failed else ""
    say(f"nothing to run: {plan.count(Action.FINISHED)} of {len(plan.runs)} runs are finished{kept}")


def show_adopted(workers: int) -> None:
    """Say that workers of a dead launcher are still at work."""
    if workers:
        many, they = ("1 worker", "it does") if workers == 1 else (f"{workers} workers", "they do")
        say(f"{many} of an earlier start still at work: going on with what {they}")


def show_planned_runs(plan: Plan) -> None:
    """One line per run: its action, label, id and reason; of a hundred and more the first ones and a count."""
    shown = plan.runs if len(plan.runs) < _MANY else plan.runs[:_LISTED]
    rows = [(_WORDS[planned.action], label(planned.run), planned.run.run_id, planned.reason) for planned in shown]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True))
        say("  ".join((" ", *cells, row[3])).rstrip())
    rest = Counter(_WORDS[planned.action] for planned in plan.runs[len(shown) :])
    if rest:
        say(f"   and {rest.total():,} more: {', '.join(f'{count:,} {word}' for word, count in rest.items())}")


def show_stacks(stacks: Stacks) -> None:
    """Show the runs that train as one network, if any."""
    if stacks.groups:
        sizes = sorted({len(group) for group in stacks.groups})
        each = " or ".join(map(str, sizes)) if len(sizes) < 3 else f"{sizes[0]} to {sizes[-1]}"
        many = "1 stack" if len(stacks.groups) == 1 else f"{len(stacks.groups)} stacks"
        runs = sum(map(len, stacks.groups))
        where = ", where the network is small enough to gain by it" if stacks.if_small else ""
        say(f"{many} of {each}: {runs} runs that share their batches train as one network each{where} (job.stack)")


def show_resources(resources: Resources, reason: str) -> None:
    """Where it runs, why there, and how the machine is shared out."""
    threads = "1 thread" if resources.threads == 1 else f"{resources.threads} threads"
    at_once = "1 run at a time" if resources.workers == 1 else f"up to {resources.workers} runs at a time"
    threads += " each" if resources.ranks == 1 else f" for each of its {resources.ranks} ranks"
    at_once += ", found out by the first" if resources.measured else ""
    device = f"GPU {', '.join(resources.gpus)}" if resources.gpus else "no GPU"
    say(f"on this machine ({reason}): {at_once}, {threads}, {device}")
    for text in resources.notices:
        notice(text)
