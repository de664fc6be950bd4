from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cnnjobs.config.intervals import Steps
from cnnjobs.errors import DivergedError
from cnnjobs.training.loop.curve import TrainingCurve, validation_steps, window_ends


def test_twice_an_epoch_of_703_steps_is_at_351_and_703() -> None:
    steps = sorted(validation_steps(0.5, 703, 10 * 703))
    assert steps[:4] == [351, 703, 1054, 1406]
    assert steps[-1] == 7030
    assert len(steps) == 20


@pytest.mark.parametrize(
    ("every", "expected"),
    [(1.0, [10, 20, 30]), (2.0, [20, 30]), (1.5, [15, 30]), (0.3333, [3, 7, 10, 13, 17, 20, 23, 27, 30]), (99.0, [30])],
)
def test_validations_fall_on_the_nearest_step_and_on_the_last(every: float, expected: list[int]) -> None:
    assert sorted(validation_steps(every, 10, 30)) == expected


def test_a_half_goes_down_at_every_decimal_interval() -> None:
    assert sorted(validation_steps(0.1, 45, 45)) == [4, 9, 13, 18, 22, 27, 31, 36, 40, 45]


def test_after_so_many_steps_and_after_the_last() -> None:
    assert validation_steps(Steps(steps=5), 4, 12) == {5, 10, 12}


def test_more_often_than_every_step_is_every_step() -> None:
    assert validation_steps(1e-9, 4, 8) == set(range(1, 9))


@given(st.integers(1, 5000))
def test_windows_divide_an_epoch_evenly(steps_per_epoch: int) -> None:
    ends = sorted(window_ends(steps_per_epoch))
    sizes = {end - start for start, end in zip([0, *ends], ends, strict=False)}
    assert ends[-1] == steps_per_epoch
    assert len(ends) == min(50, steps_per_epoch)
    assert max(sizes) - min(sizes) <= 1


def logits_for(labels: list[int]) -> torch.Tensor:
    return torch.eye(3)[labels]


def test_a_line_holds_means_over_images_and_windows_over_steps() -> None:
    curve = TrainingCurve()
    curve.add(torch.tensor(1.0), logits_for([0, 1, 2, 0]), torch.tensor([0, 1, 2, 0]))
    curve.add(torch.tensor(3.0), logits_for([0, 1, 2, 0]), torch.tensor([0, 0, 0, 0]))
    curve.close_window(2)
    curve.add(torch.tensor(5.0), logits_for([1]), torch.tensor([1]))
    curve.close_window(3)
    curve.close_window(3)
    curve.seconds = 2.0
    assert curve.line() == {
        "images_per_s": 4.5,
        "train.loss": (4 * 1.0 + 4 * 3.0 + 5.0) / 9,
        "train.accuracy": 7 / 9,
        "windows": {"step": [2, 3], "loss": [2.0, 5.0], "sd": [1.0, 0.0], "accuracy": [0.75, 1.0]},
    }


def test_a_window_tells_the_standard_deviation_of_its_steps_and_the_last_one_may_be_short() -> None:
    curve = TrainingCurve()
    losses = (0.0, 6.0, 1.0, 1.0, 8.0)
    for step, loss in enumerate(losses, 1):
        curve.add(torch.tensor(loss), logits_for([0]), torch.tensor([0]))
        if step in (2, 4):
            curve.close_window(step)
    curve.close_window(5)
    assert curve.step == [2, 4, 5]
    assert curve.loss == [3.0, 1.0, 8.0]
    assert curve.sd == [3.0, 0.0, 0.0]
    curve.seconds = 1.0
    assert curve.line()["train.loss"] == pytest.approx(sum(losses) / 5)


def test_images_weigh_alike_however_large_their_batches_are() -> None:
    curve = TrainingCurve()
    curve.add(torch.tensor(1.0), logits_for([0, 1, 2]), torch.tensor([0, 1, 2]))
    curve.add(torch.tensor(5.0), logits_for([1]), torch.tensor([1]))
    curve.close_window(2)
    curve.seconds = 1.0
    assert curve.line()["train.loss"] == 2.0
    assert curve.loss == [3.0]


def test_a_curve_goes_on_from_its_state() -> None:
    curve = TrainingCurve()
    curve.add(torch.tensor(0.1), logits_for([0]), torch.tensor([0]))
    curve.close_window(1)
    assert TrainingCurve(**curve.state()).state() == curve.state()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_first_step_whose_loss_is_no_number_is_named(value: float) -> None:
    curve = TrainingCurve()
    for loss in (1.0, 2.0, value, value):
        curve.add(torch.tensor(loss), logits_for([0]), torch.tensor([0]))
    with pytest.raises(DivergedError, match="diverged at step 19: the loss is no longer a number; try a smaller lr"):
        curve.close_window(20)


def test_a_window_holds_the_mean_of_its_steps_and_not_the_middle_one() -> None:
    curve = TrainingCurve()
    for loss in (1.0, 2.0, 9.0):
        curve.add(torch.tensor(loss), logits_for([0]), torch.tensor([0]))
    curve.close_window(3)
    curve.seconds = 1.0
    windows = curve.line()["windows"]
    assert windows["loss"] == [4.0]
    assert windows["sd"] == [pytest.approx(math.sqrt(38 / 3))]
