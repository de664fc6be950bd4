"""Samplers of optuna by ask and tell, on a study that is built in memory for each question and forgotten.

A question is a pure function of its arguments and of optuna's release. https://optuna.readthedocs.io
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from cnnjobs.errors import RunError
from cnnjobs.search.rule import Told
from cnnjobs.sweep.space.coordinates import Coordinates, Dimension

Goal = Literal["maximize", "minimize"]

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial


def release() -> str:
    """Release of the engine, which is part of what a proposal follows from."""
    import optuna

    return f"optuna {optuna.__version__}"


def ask(
    engine: str,
    free: Sequence[Dimension],
    told: Sequence[tuple[Mapping[str, float], Told]],
    *,
    goal: Goal,
    seed: int,
    number: int,
) -> Coordinates:
    """Coordinates of the next configuration; a sequence is asked for the one of this `number`.

    Raises RunError where the engine lacks a package.
    """
    import optuna

    logging.getLogger("optuna").setLevel(logging.ERROR)
    distributions = {each.key: _distribution(each) for each in free}
    try:
        with warnings.catch_warnings():
            # Some of the samplers' options are marked as experimental.
            warnings.simplefilter("ignore")
            trials = list(_trials(told, distributions, goal))
            study = optuna.create_study(direction=goal, sampler=_sampler(engine, seed, trials))
            if engine != "cmaes":
                study.add_trials(trials)
            # A sequence is asked from its beginning.
            for _ in range(number if engine == "qmc" else 0):
                study.ask(distributions)
            trial = study.ask(distributions)
    except ImportError as error:
        raise RunError(f"search.engine: {engine} needs a package that is not installed here ({error})") from error
    return {key: float(value) for key, value in trial.params.items()}


def _trials(
    told: Sequence[tuple[Mapping[str, float], Told]], distributions: Mapping[str, BaseDistribution], goal: Goal
) -> Iterator[FrozenTrial]:
    from optuna.trial import TrialState, create_trial

    values = [each.value for _, each in told if each.state == "finished" and each.value is not None]
    worst = (min if goal == "maximize" else max)(values) if values else None
    for coordinates, each in told:
        own = {key: distributions[key] for key in coordinates if key in distributions}
        given: dict[str, Any] = {
            "params": {key: _as_optuna(own[key], coordinates[key]) for key in own},
            "distributions": own,
        }
        if each.state == "partial":
            steps = {each.band or 0: each.value or 0.0}
            yield create_trial(**given, state=TrialState.PRUNED, intermediate_values=steps)
        elif each.state == "pending":
            yield create_trial(**given, state=TrialState.RUNNING)
        elif each.state == "finished" or worst is not None:
            yield create_trial(**given, value=each.value if each.state == "finished" else worst)


def _distribution(dimension: Dimension) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if dimension.count is None:
        return FloatDistribution(0.0, 1.0)
    return CategoricalDistribution(tuple(range(dimension.count)))


def _as_optuna(distribution: BaseDistribution, place: float) -> float | int:
    from optuna.distributions import CategoricalDistribution

    return int(place) if isinstance(distribution, CategoricalDistribution) else place


def _sampler(engine: str, seed: int, trials: Sequence[FrozenTrial]) -> BaseSampler:
    from optuna import samplers

    if engine == "tpe":
        return samplers.TPESampler(seed=seed, n_startup_trials=0, constant_liar=True, multivariate=True, group=True)
    if engine == "gp":
        return samplers.GPSampler(seed=seed, n_startup_trials=0, deterministic_objective=False)
    if engine == "cmaes":
        # Warm-started from all results each time (Nomura et al., 2021): nothing is left behind between two questions.
        done = [trial for trial in trials if trial.value is not None]
        return samplers.CmaEsSampler(seed=seed, n_startup_trials=0, source_trials=done or None)
    return samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)
