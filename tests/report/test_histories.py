from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnjobs.report.results.histories import band, merged
from cnnjobs.report.results.table import ResultsTable

if TYPE_CHECKING:
    from conftest import Results


def windows(losses: list[list[float]]) -> pd.DataFrame:
    """Windows of these steps' losses."""
    weights = np.array([len(own) for own in losses], dtype=float)
    ends = np.cumsum(weights)
    return pd.DataFrame(
        {
            "epoch": (ends - weights / 2) / 10,
            "weight": weights,
            "loss": [np.mean(own) for own in losses],
            "sd": [np.std(own) for own in losses],
            "accuracy": [np.mean(own) / 10 for own in losses],
        },
        index=ends.astype(int),
    )


@settings(deadline=None)
@given(
    losses=st.lists(st.lists(st.floats(0, 9), min_size=1, max_size=5), min_size=1, max_size=30),
    most=st.integers(1, 30),
)
def test_merged_windows_are_those_of_all_their_steps(losses: list[list[float]], most: int) -> None:
    found = merged(windows(losses), most)
    factor = -(-len(losses) // most)
    groups = [[*chain(*losses[start : start + factor])] for start in range(0, len(losses), factor)]
    assert len(found) <= most
    assert list(found.index) == list(np.cumsum([len(group) for group in groups]))
    assert list(found["weight"]) == [len(group) for group in groups]
    assert found["loss"].to_numpy() == pytest.approx([np.mean(group) for group in groups])
    assert found["sd"].to_numpy() == pytest.approx([np.std(group) for group in groups], abs=1e-6)
    assert found["accuracy"].to_numpy() == pytest.approx([np.mean(group) / 10 for group in groups])


def test_a_history_holds_every_window_and_validation(results: Results) -> None:
    run = results.sweep.runs[0]
    results.write(run)
    (history,) = ResultsTable.load(results.sweep, results.store).curves(results.sweep.runs[:2])
    lines = results.store.run(run.run_id).read_metrics()
    assert (history.seed, history.steps_per_epoch, history.best_epoch) == (0, 84, 4.0)
    assert list(history.train.index) == list(range(7, 337, 7))
    assert list(history.train["loss"]) == [loss for line in lines for loss in line["windows"]["loss"]]
    assert history.train["epoch"].iloc[0] == pytest.approx(3.5 / 84)
    assert list(history.validation["epoch"]) == [line["epoch"] for line in lines]
    assert history.test == {name: results.metrics(run)[f"test.{name}"] for name in ("loss", "accuracy")}


def test_the_band_over_seeds_goes_as_far_as_all_of_them(results: Results) -> None:
    first, second, third = results.sweep.runs[:3]
    results.write(first, epochs=4)
    results.write(second, epochs=3)
    results.write(third, epochs=2.5)
    histories = ResultsTable.load(results.sweep, results.store).curves([first, second, third])
    found = band(histories, "validation", "accuracy", 100)
    assert found is not None
    assert list(found.epochs) == [0.5, 1.0, 1.5, 2.0, 2.5]
    values = np.array([history.validation["accuracy"].to_numpy()[:5] for history in histories])
    assert found.mean == pytest.approx(values.mean(0))
    assert found.sd == pytest.approx(values.std(0, ddof=1))
    training = band(histories, "train", "loss", 10)
    assert training is not None
    assert training.n == 3
    assert training.epochs[-1] < 2.5
    assert not np.isnan(training.sd).any()


def test_one_run_has_the_spread_of_its_steps_and_no_other(results: Results) -> None:
    results.write(results.sweep.runs[0])
    histories = ResultsTable.load(results.sweep, results.store).curves(results.sweep.runs[:1])
    training, validation = (band(histories, split, "loss", 1000) for split in ("train", "validation"))
    assert training is not None
    assert validation is not None
    assert set(training.sd) == {0.1}
    assert np.isnan(validation.sd).all()
    assert band([], "train", "loss", 10) is None


def test_a_run_without_validation_images_has_its_training_curve(results: Results) -> None:
    run = results.sweep.runs[0]
    results.write(run, epochs=1)
    folder = results.store.run(run.run_id)
    lines = [{key: value for key, value in line.items() if "validation" not in key} for line in folder.read_metrics()]
    with folder.claim() as log:
        assert log is not None
        log.keep_up_to(0)
        for line in lines:
            log.append(line)
    histories = ResultsTable.load(results.sweep, results.store).curves([run])
    assert len(histories[0].train) == 12
    assert band(histories, "validation", "loss", 10) is None
