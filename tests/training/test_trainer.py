from __future__ import annotations

import io
import random
from typing import Any

import pytest
import torch

from cnnjobs.errors import DivergedError, InputError, RunError
from cnnjobs.system.stop_request import Stopped
from cnnjobs.training.loop import checkpoint
from cnnjobs.training.loop.trainer import Trainer


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def copied(state: dict[str, Any]) -> dict[str, Any]:
    """The state as it comes back from disk."""
    return torch.load(io.BytesIO(checkpoint.to_bytes(state)), weights_only=True)


def test_a_run_learns_and_tells_each_validation(toy: Any) -> None:
    trainer, lines = toy.trained(toy.config(epochs=4))
    assert [line["step"] for line in lines] == [12, 24, 36, 48]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    assert lines[-1]["train.loss"] < lines[0]["train.loss"]
    assert lines[-1]["validation.accuracy"] > 0.8
    assert all(line["seconds"] > 0 and line["images_per_s"] > 0 and line["lr"] == 0.05 for line in lines)
    assert lines[0]["windows"]["step"] == [*range(1, 13)]
    assert trainer.final_metrics()["test.accuracy"] > 0.7


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(toy: Any) -> None:
    first, lines = toy.trained(toy.config())
    torch.rand(7)
    second, again = toy.trained(toy.config())
    _, other = toy.trained(toy.config(seed=1))
    assert toy.timeless(lines) == toy.timeless(again)
    assert first.final_metrics() == second.final_metrics()
    assert lines[0]["train.loss"] != other[0]["train.loss"]


def test_the_final_metrics_are_those_of_the_lowest_validation_loss(toy: Any) -> None:
    trainer, lines = toy.trained(toy.config(epochs=8, lr=0.5))
    losses = [line["validation.loss"] for line in lines]
    best = losses.index(min(losses))
    assert best < 7, "the last epoch is the best: the test shows nothing"
    assert trainer.best is not None
    assert trainer.best.epoch == best + 1
    last = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    metrics = trainer.final_metrics()
    assert metrics["validation.loss"] == pytest.approx(min(losses), rel=1e-6)
    assert metrics["validation.accuracy"] == lines[best]["validation.accuracy"]
    assert not equal(trainer.model.state_dict(), last)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd"},
        {"optimizer": "adam", "lr": 0.01, "augment": ["crop", "flip", "erase"]},
        {"validate_every": 0.4, "drop_last": False, "batch_size": 10},
        {"validate_every": 2.0},
        {"schedule": {"name": "one_cycle"}},
        {"early_stopping": 2, "lr": 0.5, "epochs": 5},
    ],
    ids="-".join,
)
def test_a_run_goes_on_from_any_epoch_as_if_it_had_never_stopped(toy: Any, changes: Any, precision: str) -> None:
    run = toy.config(**{"epochs": 3, "precision": precision, **changes})
    whole, states = Trainer(run, toy.data(run)), []
    expected: list[dict[str, Any]] = []
    whole.train(expected.append, lambda: states.append(copied(whole.state())))
    expected_metrics = whole.final_metrics()
    assert states
    for state in states:
        resumed, lines = Trainer(run, toy.data(run)), []
        torch.rand(11)
        resumed.restore(state)
        resumed.train(lines.append, lambda: None)
        later = [line for line in expected if line["step"] > state["step"]]
        assert toy.timeless(lines) == toy.timeless(later)
        assert resumed.final_metrics() == expected_metrics
        assert equal(resumed.model.state_dict(), whole.model.state_dict())
        assert resumed.epochs_done == whole.epochs_done


def test_early_stopping_counts_validations_without_a_new_best(toy: Any) -> None:
    trainer, lines = toy.trained(toy.config(epochs=30, lr=0.5, validate_every=0.5, early_stopping=3))
    losses = [line["validation.loss"] for line in lines]
    assert trainer.stopped_early
    assert len(losses) < 60
    assert losses.index(min(losses)) == len(losses) - 4
    assert trainer.epochs_done == lines[-1]["epoch"] == len(losses) / 2


def starter_stops_at(losses: list[float], count: int) -> int | None:
    """The validation after which TDT4265's starter code stops: the oldest of the last `count` is the lowest."""
    for number in range(count, len(losses) + 1):
        last = losses[number - count : number]
        if last[0] == min(last):
            return number
    return None


@pytest.mark.parametrize("count", [2, 4, 5])
def test_one_less_than_the_starter_codes_count_stops_at_the_same_validation(
    toy: Any, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    draw = random.Random(count)
    losses = [1 / (1 + 0.3 * number) + draw.gauss(0, 0.08) for number in range(60)]
    found = iter(losses)
    monkeypatch.setattr(
        "cnnjobs.training.loop.trainer.evaluate", lambda *given, **settings: {"loss": next(found), "accuracy": 0.1}
    )
    trainer, lines = toy.trained(toy.config(epochs=60, early_stopping=count - 1))
    assert trainer.stopped_early
    assert len(lines) == starter_stops_at(losses, count)


def test_a_run_that_stops_early_within_an_epoch_trains_no_step_more(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter([0.5, 0.4, 0.6, 0.7, 0.8, 0.9])
    monkeypatch.setattr(
        "cnnjobs.training.loop.trainer.evaluate", lambda *given, **settings: {"loss": next(found), "accuracy": 0.1}
    )
    run, whole = toy.config(epochs=3, validate_every=0.25, early_stopping=1), []
    trainer, lines = toy.trainer(run), []
    trainer.train(lines.append, lambda: whole.append(trainer.epoch))
    assert [line["step"] for line in lines] == [3, 6, 9]
    assert (trainer.step, trainer.epoch, trainer.epochs_done, whole) == (9, 0, 0.75, [])
    assert trainer.stopped_early


def test_validations_without_a_better_one_are_counted_across_an_interruption(
    toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter([0.5, 0.6, 0.7, 0.8, 0.9])
    monkeypatch.setattr(
        "cnnjobs.training.loop.trainer.evaluate", lambda *given, **settings: {"loss": next(found), "accuracy": 0.1}
    )
    run, states = toy.config(epochs=9, early_stopping=3), []
    first = toy.trainer(run, stopped=lambda: len(states) == 2)
    with pytest.raises(Stopped):
        first.train(lambda line: None, lambda: states.append(copied(first.state())))
    second, lines = toy.trainer(run), []
    second.restore(states[-1])
    second.train(lines.append, lambda: None)
    assert [line["validation.loss"] for line in lines] == [0.7, 0.8]
    assert second.stopped_early


def test_windows_end_where_the_curve_says(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnnjobs.training.loop.curve.WINDOWS_PER_EPOCH", 3)
    _, lines = toy.trained(toy.config(epochs=2))
    assert [line["windows"]["step"] for line in lines] == [[4, 8, 12], [16, 20, 24]]


def test_the_time_of_earlier_attempts_counts_on(toy: Any) -> None:
    run, states = toy.config(epochs=2), []
    first = toy.trainer(run)
    first.train(lambda line: None, lambda: states.append(copied(first.state())))
    second, lines = toy.trainer(run), []
    second.restore({**states[0], "seconds": 5000.0})
    second.train(lines.append, lambda: None)
    assert 5000.0 < lines[-1]["seconds"] < 6000.0


def test_a_validation_between_two_windows_closes_one(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnnjobs.training.loop.curve.WINDOWS_PER_EPOCH", 2)
    _, lines = toy.trained(toy.config(epochs=1, batch_size=8, validate_every={"steps": 2}))
    for line in lines:
        assert line["windows"]["step"][-1] == line["step"]


def test_of_equal_losses_the_earlier_weights_count(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter([0.5, 0.4, 0.4])
    monkeypatch.setattr(
        "cnnjobs.training.loop.trainer.evaluate", lambda *given, **settings: {"loss": next(found), "accuracy": 0.1}
    )
    trainer, _ = toy.trained(toy.config())
    assert trainer.best is not None
    assert trainer.best.epoch == 2


def test_without_validation_images_the_last_weights_count(toy: Any) -> None:
    trainer, lines = toy.trained(toy.config(dataset__validation=0))
    assert "validation.loss" not in lines[0]
    last = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    metrics = trainer.final_metrics()
    assert set(metrics) == {"train.loss", "train.accuracy", "test.loss", "test.accuracy"}
    assert equal(trainer.model.state_dict(), last)
    with pytest.raises(InputError, match=r"early_stopping needs validation images: set dataset\.validation above 0"):
        toy.trainer(toy.config(dataset__validation=0, early_stopping=2))


@pytest.mark.parametrize("validate_every", [1.0, 3.0])
def test_a_loss_that_is_no_number_ends_the_run_with_its_step(toy: Any, validate_every: float) -> None:
    run = toy.config(model__name="toys:Exploding", validate_every=validate_every)
    with pytest.raises(DivergedError) as raised:
        toy.trained(run)
    assert raised.value.step == 9


def test_a_validation_loss_that_is_no_number_ends_it_too(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"loss": float("inf"), "accuracy": 0.1}
    monkeypatch.setattr("cnnjobs.training.loop.trainer.evaluate", lambda *given, **settings: found)
    with pytest.raises(DivergedError, match="diverged at step 12"):
        toy.trained(toy.config())


def test_it_stops_at_the_next_step_when_asked(toy: Any) -> None:
    steps = []
    run = toy.config()
    trainer = Trainer(run, toy.data(run), stopped=lambda: len(steps) >= 5 or steps.append(0) is not None)
    with pytest.raises(Stopped):
        trainer.train(lambda line: None, lambda: None)
    assert trainer.step == 5


def test_a_network_with_another_output_is_told_apart(toy: Any) -> None:
    with pytest.raises(RunError, match=r"model `toys:Wrong` gives \(2,\), one number for each"):
        toy.trained(toy.config(model={"name": "toys:Wrong"}))


def test_a_checkpoint_of_a_changed_network_is_refused_in_words(toy: Any) -> None:
    state = copied(toy.trainer(toy.config()).state())
    with pytest.raises(
        RunError, match=r"does not fit the network, has its code changed\? start anew with --force; .*size"
    ):
        toy.trainer(toy.config(model__width=7)).restore(state)


def test_weights_lie_channels_last(toy: Any) -> None:
    trainer = toy.trainer(toy.config(dataset__channels=3))
    assert trainer.model[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_a_smoothed_run_is_measured_by_the_plain_loss(toy: Any) -> None:
    smoothing = {"name": "cross_entropy", "label_smoothing": 0.3}
    plain, _ = toy.trained(toy.config(epochs=1, lr=1e-30, model__dropout=0.0))
    smoothed, lines = toy.trained(toy.config(epochs=1, lr=1e-30, model__dropout=0.0, loss=smoothing))
    assert smoothed.final_metrics() == plain.final_metrics()
    assert lines[0]["train.loss"] != pytest.approx(smoothed.final_metrics()["train.loss"], rel=1e-3)


def test_the_network_is_built_for_the_size_that_the_augmentations_give(toy: Any) -> None:
    ready = toy.trainer(toy.config(augment=[{"name": "resize", "size": 12}]))
    assert ready.model[6].in_features == 6 * 5 * 5
    assert ready.pipeline.input_shape == (1, 12, 12)
