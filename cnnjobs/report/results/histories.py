"""Metrics of runs over their training, with mean and spread over seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from cnnjobs.disk.run_folder import RunRecord, RunState
from cnnjobs.sweep.file import SweepRun

Quantity = Literal["loss", "accuracy"]
SetName = Literal["train", "validation"]


@dataclass(frozen=True)
class RunHistory:
    """One run's curves, indexed by step, and its test point.

    `train` has a row per window of training steps: epoch (its middle), weight (its steps), loss and accuracy as
    trained, sd (of the loss over its steps). `validation` has epoch, loss and accuracy over the whole split. `test` is
    measured once, with the weights of `best_epoch`.
    """

    seed: int | None
    state: RunState
    train: pd.DataFrame
    validation: pd.DataFrame
    steps_per_epoch: int
    best_epoch: float | None
    test: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Band:
    """A mean and a standard deviation (NaN where it is not known) over `n` runs, at each of `epochs`."""

    n: int
    epochs: np.ndarray[Any, np.dtype[np.float64]]
    mean: np.ndarray[Any, np.dtype[np.float64]]
    sd: np.ndarray[Any, np.dtype[np.float64]]


def run_history(run: SweepRun, record: RunRecord, lines: Sequence[Mapping[str, Any]]) -> RunHistory | None:
    """The history in the lines of metrics.jsonl; None where nothing is measured yet."""
    if not lines:
        return None
    steps_per_epoch = round(lines[-1]["step"] / lines[-1]["epoch"])
    validated = [line for line in lines if "validation.loss" in line]
    validation = pd.DataFrame(
        {
            "epoch": [line["epoch"] for line in validated],
            "loss": [line["validation.loss"] for line in validated],
            "accuracy": [line["validation.accuracy"] for line in validated],
        },
        index=[line["step"] for line in validated],
        dtype=float,
    )
    names = ("loss", "accuracy")
    test = {name: record.metrics[f"test.{name}"] for name in names if f"test.{name}" in record.metrics}
    train = _windows(lines, steps_per_epoch)
    return RunHistory(run.config.seed, record.state, train, validation, steps_per_epoch, record.best_epoch, test)


def _windows(lines: Sequence[Mapping[str, Any]], steps_per_epoch: int) -> pd.DataFrame:
    keys = ("step", "loss", "sd", "accuracy")
    found = {key: [value for line in lines if "windows" in line for value in line["windows"][key]] for key in keys}
    ends = np.array(found.pop("step"), dtype=float)
    weights = np.diff(ends, prepend=0.0)
    frame = pd.DataFrame({"epoch": (ends - weights / 2) / steps_per_epoch, "weight": weights, **found})
    return frame.set_index(ends.astype(int))


def merged(windows: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most `most` windows: neighbours become one, with the mean and sd of all their steps; none is left out."""
    factor = math.ceil(len(windows) / most)
    if factor <= 1:
        return windows
    weight = windows["weight"]
    sums = pd.DataFrame(
        {
            "epoch": windows["epoch"] * weight,
            "weight": weight,
            "loss": windows["loss"] * weight,
            "accuracy": windows["accuracy"] * weight,
            "square": (windows["sd"] ** 2 + windows["loss"] ** 2) * weight,
        }
    )
    group = np.arange(len(windows)) // factor
    total = sums.groupby(group).sum()
    means = total.div(total["weight"], axis=0)
    means["sd"] = np.sqrt(np.maximum(means["square"] - means["loss"] ** 2, 0))
    means["weight"] = total["weight"]
    ends = windows.index.to_series().groupby(group).last()
    return means.drop(columns="square").set_index(pd.Index(ends.to_numpy()))


def band(histories: Sequence[RunHistory], split: SetName, quantity: Quantity, most: int) -> Band | None:
    """The mean over runs as far as all of them went, and the sd over them (ddof 1).

    Of one run the sd is that of the training loss over the steps of a window. None where nothing is common to all.
    """
    frames = _frames(histories, split, most)
    if not frames:
        return None
    common = frames[0].index
    for frame in frames[1:]:
        common = common if common.equals(frame.index) else common.intersection(frame.index)
    if common.empty:
        return None
    own = [frame if frame.index.equals(common) else frame.loc[common] for frame in frames]
    epochs = np.mean([frame["epoch"].to_numpy(float) for frame in own], axis=0)
    values = np.array([frame[quantity].to_numpy(float) for frame in own])
    spread = values.std(axis=0, ddof=1) if len(own) > 1 else np.full(len(common), np.nan)
    if len(own) == 1 and split == "train" and quantity == "loss":
        spread = own[0]["sd"].to_numpy(float)
    return Band(len(own), epochs, values.mean(axis=0), spread)


def _frames(histories: Sequence[RunHistory], split: SetName, most: int) -> list[pd.DataFrame]:
    found = [getattr(history, split) for history in histories]
    frames = [frame for frame in found if len(frame)]
    if split == "train" and frames:
        # All runs are merged alike, so that their windows stay the same steps.
        factor = math.ceil(max(len(frame) for frame in frames) / most)
        frames = [merged(frame, math.ceil(len(frame) / factor)) for frame in frames]
    return frames
