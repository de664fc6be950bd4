"""What runs take beside their training: many that are very short take little else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from cnnjobs.runs import Attempt, RunState

# Until a run's own clock begins: Python and torch, 1.6 to 1.7 s on a quiet machine.
PROCESS_START_S: Final = 2.0


@dataclass(frozen=True)
class Starts:
    """Seconds beside training: of the first run of a process, with the start of that, and of each that follows."""

    first_s: float = PROCESS_START_S
    later_s: float = 0.0

    def job_s(self, trained_s: Sequence[float], runs_at_once: int) -> float:
        """What a job takes whose runs train so long: one after the other, or side by side in processes of their own."""
        if runs_at_once == 1:
            return self.first_s + self.later_s * (len(trained_s) - 1) + sum(trained_s)
        own = [self.first_s + each for each in trained_s]
        return max(sum(own) / runs_at_once, *own)


def only_attempt(state: RunState, attempts: tuple[Attempt, ...]) -> Attempt | None:
    """The attempt that did all of a finished run: what it took beside the training is known."""
    return attempts[0] if state is RunState.FINISHED and len(attempts) == 1 else None


def measured_starts(ended: Iterable[tuple[Attempt, float]]) -> Starts:
    """From attempts that each did all of a run, with the seconds that their training took."""
    by_process: dict[tuple[str, int], list[tuple[str, float]]] = defaultdict(list)
    for attempt, trained_s in ended:
        by_process[attempt.host, attempt.pid].append((attempt.started, max(0.0, attempt.seconds - trained_s)))
    firsts: list[float] = []
    laters: list[float] = []
    for own in by_process.values():
        # The first loads what the others find loaded; a start is written down to the second.
        (_, first), *rest = sorted(own, key=lambda start: (start[0], -start[1]))
        firsts.append(first)
        laters += [seconds for _, seconds in rest]
    return Starts(PROCESS_START_S + (fmean(firsts) if firsts else 0.0), fmean(laters) if laters else 0.0)
