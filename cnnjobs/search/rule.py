"""Early stopping as W&B's `early_terminate: {type: hyperband}` has it: the bands, and who is kept at one.

A run is stopped when its value at a band is worse than the best 1/eta of the values there: successive halving without
promotions (Li et al., A System for Massively Parallel Hyperparameter Tuning, 2020, algorithm 2, is the same with one
worker). https://docs.wandb.ai/guides/sweeps/sweep-config-keys, and `hyperband_stopping.py` of PyPI's `sweeps` 0.3.0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from cnnjobs.disk.metric_lines import SUMMARY

# As many as W&B's engine has.
_MOST_BANDS: Final = 100

Configuration = tuple[str, ...]
"""The run ids of its seeds."""

Block = tuple[Configuration, ...]
"""Configurations that are judged together."""

Values = Mapping[str, Sequence[float] | None]
"""Values that each run has reported, in order; None for one that is neither over nor far enough yet."""


class StoppingRule(BaseModel):
    """Rule of early stopping. An iteration is one reported value of the `metric`.

    Bands lie at min_iter * eta^k, or at max_iter / eta^i for i = 1 to `s`. `strict` compares the value at the band,
    else the best one up to there. With `order` blocks so many configurations as two bands apart are judged together,
    with wandb each alone, against those before it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    metric: str
    goal: Literal["maximize", "minimize"]
    min_iter: int | None = None
    max_iter: int | None = None
    s: float | None = None
    eta: float = 3.0
    strict: bool = True
    order: Literal["blocks", "wandb"] = "blocks"

    @property
    def block_size(self) -> int:
        """Number of configurations that are judged together."""
        return 1 if self.order == "wandb" else max(2, round(self.eta**2))

    def bands(self, most: int) -> list[int]:
        """Iterations after which runs are judged, up to `most`."""
        found: list[int] = []
        if self.max_iter is not None:
            band = float(self.max_iter)
            for _ in range(int(self.s or 0)):
                band /= self.eta
                if band < 1:
                    break
                found.append(int(band))
        else:
            band = float(self.min_iter or 1)
            while int(band) <= most and len(found) < _MOST_BANDS:
                found.append(int(band))
                band *= self.eta
        return sorted({each for each in found if each <= most})

    def reported(self, lines: Sequence[Mapping[str, Any]]) -> list[float]:
        """Values of the metric in lines of metrics, one for each iteration."""
        return [float(line[self.metric]) for line in lines if self._reports(line)]

    def iteration_line(self, lines: Sequence[Mapping[str, Any]], iteration: int) -> int:
        """Number of lines up to this iteration."""
        places = [place for place, line in enumerate(lines, 1) if self._reports(line)]
        return places[iteration - 1]

    def _reports(self, line: Mapping[str, Any]) -> bool:
        """Check whether a line has a value of the metric; of W&B's summary it is no new one."""
        value = line.get(self.metric) if line.get("source") != SUMMARY else None
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


class Seen(BaseModel):
    """Values of a configuration at a band, means over its seeds: there, and the best up to there."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    value: float
    best: float


class Verdict(BaseModel):
    """Decision on one block at one band: what it saw, by index of the configuration, and who is stopped.

    None is what a configuration was that had ended before the band. Worse than `threshold` is stopped, also a
    configuration that comes there later.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    band: int
    block: int
    seen: dict[int, Seen | None]
    threshold: float | None
    stopped: tuple[int, ...]


class Told(BaseModel):
    """Part of a configuration's results that a proposal is made from.

    One that was stopped, or of which only the values at a band are used, has its value there; one that failed counts
    as the worst of all that finished; one that is pending has none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    state: Literal["finished", "partial", "failed", "pending"]
    value: float | None = None
    band: int | None = None


def seen_at(rule: StoppingRule, band: int, runs: Values) -> Seen | None:
    """Values of a configuration at a band; None where none of its runs got there."""
    there = [values[:band] for values in runs.values() if values is not None and len(values) >= band]
    if not there:
        return None
    best = max if rule.goal == "maximize" else min
    return Seen(value=fmean(each[-1] for each in there), best=fmean(best(each) for each in there))


def judge(
    rule: StoppingRule, band: int, block: int, earlier: Sequence[float], seen: Mapping[int, Seen | None]
) -> Verdict:
    """Decide on the configurations `seen`; `earlier` are the values at this band that earlier blocks were judged by."""
    sign = -1.0 if rule.goal == "maximize" else 1.0
    values = sorted(sign * value for value in (*earlier, *(each.value for each in seen.values() if each)))
    if not values:
        return Verdict(band=band, block=block, seen=dict(seen), threshold=None, stopped=())
    # The very expression of W&B's engine: 1/3 * 9 is 3.0, and the fourth best is still kept.
    threshold = sign * values[int(1.0 / rule.eta * len(values))]
    stopped = tuple(index for index, each in seen.items() if each and is_worse(rule, each, threshold))
    return Verdict(band=band, block=block, seen=dict(seen), threshold=threshold, stopped=stopped)


def is_worse(rule: StoppingRule, seen: Seen, threshold: float) -> bool:
    """Check whether a configuration is stopped at a band with this threshold."""
    value = seen.value if rule.strict else seen.best
    return value < threshold if rule.goal == "maximize" else value > threshold


def in_blocks(rule: StoppingRule, blocks: Sequence[Block], configurations: Sequence[Configuration]) -> list[Block]:
    """Blocks with configurations that are new behind them: those that are there stay as they are."""
    known = {configuration for block in blocks for configuration in block}
    new = [each for each in configurations if each not in known]
    size = rule.block_size
    return [*blocks, *(tuple(new[start : start + size]) for start in range(0, len(new), size))]
