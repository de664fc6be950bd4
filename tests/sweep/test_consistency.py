"""Settings that contradict one another are refused with their line; those that can never act are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cnnjobs.config.run import RunConfig
from cnnjobs.errors import SpecError
from cnnjobs.sweep.consistency import contradictions, idle_settings
from cnnjobs.sweep.file import read_sweep
from cnnjobs.sweep.settings import Metric

LR = "torch.optim.lr_scheduler"


def config(**changes: Any) -> RunConfig:
    return RunConfig.model_validate({"dataset": "mnist", "model": "cnn", "epochs": 4, **changes})


def schedule(name: str, **options: Any) -> dict[str, Any]:
    return {"schedule": {"name": name, **options}}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (
        {"early_stopping": 2, "dataset": {"name": "mnist", "validation": 0}},
        "early_stopping",
        "it follows the validation loss, and there are no validation images",
    ),
    (schedule("cosine", warmup=4), "schedule.warmup", "found warmup 4 in a run of 4 epochs"),
    ({"optimizer": {"name": "sgd", "nesterov": True}}, "optimizer.nesterov", "nesterov needs momentum, found 0"),
    (
        {"optimizer": {"name": "torch.optim:SGD", "nesterov": True, "momentum": 0.9, "dampening": 0.1}},
        "optimizer.nesterov",
        "found dampening 0.1",
    ),
    ({"optimizer": {"name": "adamw", "betas": [0.9, 1.0]}}, "optimizer.betas", "found [0.9, 1.0]"),
    (
        {"optimizer": "torch.optim:Rprop", "weight_decay": 0.1},
        "weight_decay",
        "optimizer `torch.optim:Rprop` takes no weight_decay",
    ),
    (
        {**schedule(f"{LR}:ReduceLROnPlateau"), "dataset": {"name": "mnist", "validation": 0}},
        "schedule",
        "it follows the validation loss, and there are no validation images",
    ),
    (
        {"augment": ["flip", {"name": "erase", "scale": [0.4, 0.1]}]},
        "augment.1",
        "erase: scale [0.4, 0.1] has its larger number first",
    ),
    (
        {"augment": [{"name": "normalise", "mean": [0.5], "std": [0.5, 0.5]}]},
        "augment.0",
        "normalise: mean has 1 numbers and std 2",
    ),
]
WORKS: list[dict[str, Any]] = [
    schedule("cosine", warmup=3.9),
    {"optimizer": {"name": "sgd", "nesterov": True, "momentum": 0.9}},
    {"augment": ["normalise", "crop", "torchvision.transforms:RandomHorizontalFlip"]},
    {"optimizer": "torch.optim:Adagrad", "weight_decay": 0.1},
]


@pytest.mark.parametrize(("changes", "key", "found"), REFUSED)
def test_what_contradicts_itself_is_a_mistake(changes: dict[str, Any], key: str, found: str) -> None:
    assert [(each.key, each.found) for each in contradictions(config(**changes))] == [(key, found)]


@pytest.mark.parametrize("changes", WORKS)
def test_what_works_is_none(changes: dict[str, Any]) -> None:
    assert contradictions(config(**changes)) == []


# With these settings something changes in 4 epochs, with those of IDLE nothing does: both sides of each border.
ACTS: list[dict[str, Any]] = [
    schedule("step", every=3.9),
    schedule("multistep", milestones=[1, 3]),
    schedule(f"{LR}:StepLR", step_size=3),
    schedule(f"{LR}:StepLR", step_size=3000, step="batch"),
    schedule(f"{LR}:ReduceLROnPlateau", patience=1),
    {"early_stopping": 2},
    {"early_stopping": 6, "validate_every": 0.5},
    {"early_stopping": 50, "validate_every": {"steps": 10}},
    {"validate_every": 4},
    {"model": {"name": "cnn", "activation": "leaky_relu", "negative_slope": 0.2}},
]
IDLE: list[tuple[dict[str, Any], str, str]] = [
    (
        schedule("step", every=4),
        "schedule",
        "lr never changes: its first change would come after epoch 4, and the run has 4 epochs",
    ),
    (
        schedule("multistep", milestones=[4, 6]),
        "schedule",
        "lr never changes: its first change would come after epoch 4, and the run has 4 epochs",
    ),
    (
        schedule("multistep", milestones=[2, 4, 6]),
        "schedule",
        "milestones 4, 6 are never reached: the run has 4 epochs",
    ),
    (
        schedule(f"{LR}:StepLR", step_size=4),
        "schedule",
        "lr never changes: its first change would come after epoch 4, and the run has 4 epochs",
    ),
    (
        schedule(f"{LR}:ReduceLROnPlateau", patience=2),
        "schedule",
        "patience 2 can change nothing in 4 validations: lr falls after 4 of them at the earliest",
    ),
    (schedule(f"{LR}:ExponentialLR", gamma=1.0), "schedule", "lr never changes: gamma 1"),
    (
        {"early_stopping": 3},
        "early_stopping",
        "early_stopping 3 cannot end the run sooner: it has 4 validations, and ends after 4 at the earliest",
    ),
    (
        {"validate_every": 5},
        "validate_every",
        "found 5: the run has 4 epochs and is validated once, at its end",
    ),
    (
        {"model": {"name": "cnn", "negative_slope": 0.2}},
        "model.negative_slope",
        "has no effect: the activation is relu",
    ),
    ({"augment": [{"name": "flip", "probability": 0}]}, "augment.0", "flip changes no image: probability 0"),
]


@pytest.mark.parametrize("changes", ACTS)
def test_a_setting_that_acts_is_not_told(changes: dict[str, Any]) -> None:
    assert idle_settings(config(**changes)) == []


@pytest.mark.parametrize(("changes", "key", "told"), IDLE)
def test_a_setting_that_can_never_act_is_told(changes: dict[str, Any], key: str, told: str) -> None:
    assert idle_settings(config(**changes)) == [(key, told)]


FILE = """\
base:
  dataset: mnist
  model: lenet5
  epochs: 2
  early_stopping: 50
parameters:
  schedule.warmup: {values: [1, 5]}
method: grid
variants:
  rising: {schedule: cosine}
"""


def test_a_sweep_file_is_refused_at_the_line_but_a_started_one_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(FILE)
    with pytest.raises(SpecError) as error:
        read_sweep(path)
    assert "s.yaml:7: schedule.warmup: found warmup 5 in a run of 2 epochs; allowed: below 2" in str(error.value)
    sweep = read_sweep(path, is_started=True)
    assert len(sweep.runs) == 2
    assert any("s.yaml:7: schedule.warmup: found warmup 5" in notice for notice in sweep.notices)
    assert any("s.yaml:5: early_stopping: early_stopping 50 cannot end" in notice for notice in sweep.notices)


NO_VALIDATION = """\
name: s
method: grid
base: {model: lenet5}
parameters: {dataset: {values: [{name: mnist, validation: 0}, {name: kmnist, validation: 0}]}}
"""


def test_without_validation_images_the_best_is_chosen_by_training(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(NO_VALIDATION)
    sweep = read_sweep(file)
    assert sweep.metric == Metric("train.accuracy", "maximize")
    assert sweep.notices == ()  # nothing that was written is passed over; the plan has a line on validation 0
    # Some runs have them: the others are not ranked.
    file.write_text(NO_VALIDATION.replace("kmnist, validation: 0", "kmnist, validation: 0.2"))
    sweep = read_sweep(file)
    assert sweep.metric == Metric()
    assert sweep.notices == (f"{file}: metric: 1 of 2 runs has no validation images (validation: 0) and is not ranked",)


def test_a_metric_of_validation_that_is_never_measured_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(f"{NO_VALIDATION}metric: {{name: validation.loss, target: 0.3}}\n")
    with pytest.raises(SpecError) as raised:
        read_sweep(file)
    assert str(raised.value).endswith(
        "s.yaml:5: metric.name: no run has validation images (validation: 0), `validation.loss` is never measured;"
        " choose by train.loss, or set validation above 0"
    )
    # A started one of an earlier version is still read.
    sweep = read_sweep(file, is_started=True)
    assert sweep.metric.name == "train.loss"
    never = "no run has validation images (validation: 0), `validation.loss` is never measured"
    assert f"{file}:5: metric: {never}: the best is chosen by train.loss" in sweep.notices
    file.write_text(f"{NO_VALIDATION}metric: {{name: train.loss}}\n")
    assert read_sweep(file).metric.name == "train.loss"


@pytest.mark.parametrize(
    ("subset", "told"),
    [
        ("{tran: 5}", 'dataset.subset.tran: found "tran"; did you mean `train`? allowed: test, train, validation'),
        ("{train: 0}", "dataset.subset.train: found 0; allowed: a number above 0"),
        ("{test: 2.5}", "dataset.subset.test: found 2.5; allowed: a whole number"),
        ("{}", "dataset.subset: found {}; allowed: a whole number or one value or more"),
        ("all", 'dataset.subset: found "all"; allowed: a whole number or a mapping'),
    ],
)
def test_a_subset_that_is_none_has_one_mistake(tmp_path: Path, subset: str, told: str) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(f"base:\n  model: lenet5\n  dataset: {{name: mnist, subset: {subset}}}\n")
    with pytest.raises(SpecError) as raised:
        read_sweep(file)
    assert str(raised.value) == f"{file}:3: {told}"
