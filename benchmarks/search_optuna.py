"""Optuna's pruners as searches that are replayed: each run is a trial, and is asked about after every epoch.

https://optuna.readthedocs.io/en/stable/reference/pruners.html
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final


def is_there() -> bool:
    """Check whether optuna is installed."""
    return find_spec("optuna") is not None


class Pruned:
    """A study whose trials are the runs, in their order.

    `name` draws the brackets of HyperbandPruner: optuna takes them from the name of the study.
    """

    def __init__(self, runs: int, epochs: int, pruner: Any, name: str) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.RandomSampler(seed=0)
        self._study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner, study_name=name)
        self._runs, self._epochs, self._pruned = runs, epochs, optuna.trial.TrialState.PRUNED
        self._trials: list[Any] = []

    def take(self) -> int | None:
        """The next trial."""
        if len(self._trials) == self._runs:
            return None
        self._trials.append(self._study.ask())
        return len(self._trials) - 1

    def measured(self, run: int, epoch: int, value: float) -> None:
        """Report the value; the last one ends the trial."""
        self._trials[run].report(value, epoch)
        if epoch == self._epochs:
            self._study.tell(self._trials[run], value)

    def leaves(self, run: int) -> bool:
        """Check whether the pruner ends a trial."""
        if not self._trials[run].should_prune():
            return False
        self._study.tell(self._trials[run], state=self._pruned)
        return True


def halving(epochs: int, min_iter: int, eta: int) -> Any:  # noqa: ARG001
    """SuccessiveHalvingPruner."""
    from optuna.pruners import SuccessiveHalvingPruner

    return SuccessiveHalvingPruner(min_resource=min_iter, reduction_factor=eta)


def hyperband(epochs: int, min_iter: int, eta: int) -> Any:
    """HyperbandPruner."""
    from optuna.pruners import HyperbandPruner

    return HyperbandPruner(min_resource=min_iter, max_resource=epochs, reduction_factor=eta)


PRUNERS: Final = {"optuna, SuccessiveHalvingPruner": halving, "optuna, HyperbandPruner": hyperband}
