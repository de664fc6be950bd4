"""Start-up time of runs beside their training: many that are very short take little else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from cnnjobs.disk.run_folder import Attempt, RunState

# Where none was measured: Python and torch, 1.6 to 1.7 s on a quiet machine.
PROCESS_START_S: Final = 2.0


@dataclass(frozen=True)
class Starts:
    """Seconds beside training: of the first run of a job, with the start of its process, and of each that follows."""

    first_s: float = PROCESS_START_S
    later_s: float = 0.0

    def job_s(self, trained_s: Sequence[float], runs_at_once: int) -> float:
        """Seconds of a job whose runs train so long, so many at a time: only the first loads torch."""
        own = [self.later_s + each for each in trained_s]
        return self.first_s - self.later_s + max([sum(own) / runs_at_once, *own])


def only_attempt(state: RunState, attempts: tuple[Attempt, ...]) -> Attempt | None:
    """The attempt that did all of a finished run, and nothing else: what it took beside the training is known."""
    alone = state is RunState.FINISHED and len(attempts) == 1 and not attempts[0].stacked
    return attempts[0] if alone else None


def measured_starts(ended: Iterable[tuple[Attempt, float]]) -> Starts:
    """From attempts that each did all of a run, with the seconds that their training took."""
    firsts: list[float] = []
    laters: list[float] = []
    for attempt, trained_s in ended:
        beside_s = max(0.0, attempt.seconds - trained_s)
        if attempt.process_s is None:
            laters.append(beside_s)
        else:
            firsts.append(attempt.process_s + beside_s)
    later_s = fmean(laters) if laters else 0.0
    return Starts(fmean(firsts) if firsts else PROCESS_START_S + later_s, later_s)
