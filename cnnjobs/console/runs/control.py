"""Results of `cancel` and `retry`, in words."""

from __future__ import annotations

from collections.abc import Sequence

from cnnjobs.console.terminal import notice, say
from cnnjobs.launch.cancel import Cancelling
from cnnjobs.status.run_status import RunStatus


def show_shared(also: Sequence[RunStatus]) -> None:
    """The runs that were not named and would end too."""
    many = "1 more run would" if len(also) == 1 else f"{len(also)} more runs would"
    say(f"{many} end, in the same job as one that is running now:")
    for status in also:
        say(f"  {status.label} (job {status.job})")


def show_cancelled(plan: Cancelling, ending: Sequence[RunStatus]) -> None:
    """Show runs that were cancelled, were over before, or are still ending."""
    ended = [*plan.chosen, *plan.also]
    name = plan.store.path.name
    evaluations = sum(len(each.run_ids) for each in plan.evaluations)
    if evaluations:
        say(f"{name}: cancelled {'1 evaluation' if evaluations == 1 else f'{evaluations} evaluations'}")
    elif not ended:
        say(f"{name}: nothing to cancel: {_runs(len(plan.over))} over already")
    if not ended:
        return
    kept = f"; {_runs(len(plan.over))} over already" if plan.over else ""
    what = ended[0].label if len(ended) == 1 else f"{len(ended)} runs"
    say(f"{name}: cancelled {what}{kept}")
    if ending:
        say(f"{_runs(len(ending))} still ending, and counted as cancelled from then on")
    for status in plan.elsewhere:
        last = status.attempts[-1]
        notice(f"{status.label} was trained by process {last.pid} on {last.host}, which lets go within seconds")


def _runs(number: int) -> str:
    return "1 run is" if number == 1 else f"{number} runs are"


def show_ending(ending: Sequence[RunStatus]) -> None:
    """The runs that can be retried once they have let go."""
    what = ending[0].label if len(ending) == 1 else f"{len(ending)} runs"
    notice(f"{what} cannot be retried yet: the process or job has not ended; try again in a moment")


def show_nothing_to_retry(cause: str | None, ending: Sequence[RunStatus]) -> None:
    """Say that no run is left to retry."""
    if ending:
        say("nothing to retry yet")
    elif cause:
        say(f"nothing to retry: no run has ended with a cause like `{cause}`")
    else:
        say("nothing to retry: no run failed")
