"""A sweep that is handed to Slurm: where it goes, what it costs, its number, and what to type next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnjobs.console.durations import duration
from cnnjobs.console.terminal import notice, say
from cnnjobs.launch.plan.plan import Action

if TYPE_CHECKING:
    from cnnjobs.launch.array.submit import Order, Submitted


def show_order(order: Order, reason: str) -> None:
    """The place, why there, and what each job gets."""
    array, profile = order.array, order.array.profile
    parts = [f"partition {profile.partition}" if profile.partition else "the default partition"]
    if array.runs_at_once > 1:
        up_to, how = ("up to ", ", found out by the first") if array.measured else ("", "")
        parts.append(f"{up_to}{array.runs_at_once} runs side by side in each{how}")
    parts.append(f"{_counted(array.cpus, 'core')} each")
    parts.append(_counted(array.gpus, "GPU") if array.gpus else "no GPU")
    parts += [f"{array.ranks} ranks on {_counted(array.nodes, 'node')} for each run"] if array.ranks > 1 else []
    parts += [f"{profile.mem_gb:g} GB"] if profile.mem_gb else []
    parts += [f"at most {duration(60 * profile.timeout_min)}"] if profile.timeout_min else []
    jobs = _counted(len(array.tasks), "job")
    at_once = f", {order.at_once} at a time" if order.at_once < len(array.tasks) else ""
    say(f"on Slurm ({reason}), profile {profile.name}: {jobs}{at_once}: {', '.join(parts)}")
    if order.after:
        waits = ", ".join(map(str, order.after))
        say(f"it starts when job {waits} of this sweep has ended: max_parallel holds for the whole sweep")
    if array.canary:
        say("the first run goes ahead; the others start when it has passed its first validation")


def show_script(order: Order) -> None:
    """The text for sbatch, as it would be submitted, after what is to be known of it."""
    for text in order.notices:
        notice(text)
    say(f"sbatch {order.folder.script_file}:")
    say(order.text.rstrip())


def show_submitted(submitted: Submitted, words: str) -> None:
    """The number of the job and the commands that come next."""
    for text in submitted.notices:
        notice(text)
    say(f"submitted: job {submitted.job_id}", style="bold")
    say(f"follow it with: cnnjobs status {words} --watch")
    say(f"stop it with: cnnjobs cancel {words}")


def show_held(lines: Sequence[str]) -> None:
    """Show queued jobs that are held until the user has looked at them."""
    for text in lines:
        say(text, style="yellow")


def show_nothing_new(submitted: Submitted, words: str, *, release: str | None = None) -> None:
    """Say that there is nothing to submit, and why; `release` is the command for held runs, if only those wait."""
    for text in submitted.notices:
        notice(text)
    plan = submitted.plan
    counts = [
        f"{plan.count(action)} {action}"
        for action in (Action.QUEUED, Action.RUNNING, Action.FINISHED, Action.FAILED)
        if plan.count(action)
    ]
    say(f"nothing to submit: {', '.join(counts)}")
    if release is not None:
        say(f"let it go on with: {release.format(sweep=words)}")
    elif plan.count(Action.QUEUED, Action.RUNNING):
        say(f"follow it with: cnnjobs status {words} --watch")
    elif plan.count(Action.FAILED):
        say(f"run the failed ones again with: cnnjobs retry {words}")
    else:
        say(f"report with: cnnjobs report {words}")


def _counted(number: int, word: str) -> str:
    return f"1 {word}" if number == 1 else f"{number} {word}s"
