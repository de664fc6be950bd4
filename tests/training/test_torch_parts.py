"""torch's own classes by their import paths: what they do in a run is what they do in a loop of torch's users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from cnnjobs.config.run import RunConfig
from cnnjobs.disk.outage import Storage
from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.errors import InputError
from cnnjobs.training.data.pipeline import DataSets
from cnnjobs.training.loop.workload import NetworkWorkload
from cnnjobs.training.stacks.trainer import StackedTrainer
from cnnjobs.worker.attempt import RunAttempt
from cnnjobs.worker.claim.claimed_run import ClaimedRun

if TYPE_CHECKING:
    from toy_runs import Toy

LR = "torch.optim.lr_scheduler"
STEPS = 12  # of an epoch of the toy
SCHEDULES: dict[str, dict[str, Any]] = {
    "StepLR": {"step_size": 2},
    "CosineAnnealingLR": {"T_max": 4, "eta_min": 0.01},
    "ExponentialLR": {"gamma": 0.5},
    "CosineAnnealingWarmRestarts": {"T_0": 2},
}


def lrs(toy: Toy, schedule: dict[str, Any], **changes: Any) -> list[float]:
    return [line["lr"] for line in toy.trained(toy.config(schedule=schedule, epochs=4, **changes))[1]]


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_of_torch_is_stepped_after_each_epoch(toy: Toy, name: str) -> None:
    options = SCHEDULES[name]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.05)
    theirs = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
    expected = []
    for _ in range(4):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    assert lrs(toy, {"name": f"{LR}:{name}", **options}) == pytest.approx(expected, rel=1e-12)
    assert len(set(expected)) > 1


@pytest.mark.parametrize(
    ("schedule", "step"),
    [
        ({"name": f"{LR}:ExponentialLR", "gamma": -1}, 1),
        ({"name": f"{LR}:StepLR", "step_size": 3, "gamma": -0.1}, 3),
    ],
)
def test_a_learning_rate_below_zero_is_told_before_the_first_step(toy: Toy, schedule: Any, step: int) -> None:
    with pytest.raises(InputError, match=f"makes the learning rate -.* after step {step}"):
        toy.trainer(toy.config(schedule=schedule, epochs=5))


def test_step_batch_steps_it_after_each_batch(toy: Toy) -> None:
    found = lrs(toy, {"name": f"{LR}:ExponentialLR", "gamma": 0.9, "step": "batch"})
    assert found == pytest.approx([0.05 * 0.9 ** (STEPS * epoch - 1) for epoch in range(1, 5)])


def test_one_cycle_goes_by_batches_over_the_whole_run_up_to_its_lr(toy: Toy) -> None:
    trainer, lines = toy.trained(toy.config(schedule=f"{LR}:OneCycleLR", epochs=4))
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.05, momentum=0.9)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, total_steps=4 * STEPS)
    expected = []
    for step in range(1, 4 * STEPS + 1):
        if step % STEPS == 0:
            expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step() if step < 4 * STEPS else None
    assert [line["lr"] for line in lines] == pytest.approx(expected)
    assert f"schedule {LR}:OneCycleLR: stepped after each batch" in trainer.notes


def test_the_plateau_follows_the_validation_loss(toy: Toy) -> None:
    plateau = {"name": f"{LR}:ReduceLROnPlateau", "patience": 0, "factor": 0.5}
    lines = toy.trained(toy.config(schedule=plateau, epochs=6, lr=0.5))[1]
    best, lr = float("inf"), 0.5
    for line in lines:
        assert line["lr"] == pytest.approx(lr)
        lr = lr if line["validation.loss"] < best * (1 - 1e-4) else lr / 2
        best = min(best, line["validation.loss"])
    assert lines[-1]["lr"] < 0.5


def test_the_plateau_needs_validation_images(toy: Toy) -> None:
    config = toy.config(schedule=f"{LR}:ReduceLROnPlateau", dataset__validation=0)
    with pytest.raises(
        InputError, match=r"ReduceLROnPlateau follows validation\.loss: set dataset\.validation above 0"
    ):
        toy.trained(config)


@pytest.mark.parametrize("name", ["Adagrad", "NAdam", "Adafactor"])
def test_an_optimizer_of_torch_takes_its_own_steps(toy: Toy, name: str) -> None:
    config = toy.config(optimizer={"name": f"torch.optim:{name}", "eps": [1e-9, 1e-3]} if name == "Adafactor"
                        else {"name": f"torch.optim:{name}", "eps": 1e-3}, weight_decay=0.01)  # fmt: skip
    trainer = toy.trainer(config)
    own = [each.detach().clone().requires_grad_() for each in trainer.model.parameters()]
    eps = (1e-9, 1e-3) if name == "Adafactor" else 1e-3
    theirs = getattr(torch.optim, name)(own, lr=0.05, weight_decay=0.01, eps=eps)
    for _ in range(3):
        for ours, other in zip(trainer.model.parameters(), own, strict=True):
            ours.grad, other.grad = torch.full_like(ours, 0.5), torch.full_like(other, 0.5)
        trainer.optimizer.step()
        theirs.step()
    for ours, other in zip(trainer.model.parameters(), own, strict=True):
        assert torch.allclose(ours, other, atol=1e-6)


def test_a_run_with_torchs_parts_goes_on_bit_for_bit(toy: Toy, tmp_path: Any) -> None:
    config = toy.config(
        optimizer={"name": "torch.optim:Adagrad"},
        schedule={"name": f"{LR}:ReduceLROnPlateau", "patience": 0},
        augment=["torchvision.transforms.v2:RandomHorizontalFlip"],
        lr=0.1,
        epochs=4,
        validate_every={"steps": 9},
    )
    whole = toy.trained(config)[1]
    folder = RunFolder(tmp_path / config.run_id)
    folder.create(config)
    for steps in (2 * STEPS + 3, 1000):
        answers = iter([False] * steps + [True])
        with ClaimedRun.take(Storage(folder, lambda each=answers: next(each), lambda _: None)) as run:
            RunAttempt(run, NetworkWorkload(DataSets((), torch.device("cpu"))), threads=1).execute()
    assert toy.timeless(folder.read_metrics()) == toy.timeless(whole)
    assert len(folder.read_record().attempts) == 2


def test_a_loss_of_torch_weighs_the_classes(toy: Toy) -> None:
    trainer = toy.trainer(toy.config(loss={"name": "torch.nn:CrossEntropyLoss", "weight": [1, 2, 4]}))
    logits, labels = torch.linspace(-1, 1, 12).view(4, 3), torch.tensor([0, 1, 2, 2])
    expected = torch.nn.functional.cross_entropy(logits, labels, weight=torch.tensor([1.0, 2.0, 4.0]))
    assert trainer.loss(logits, labels).item() == pytest.approx(expected.item())


def test_weights_for_other_classes_are_told_before_the_first_step(toy: Toy) -> None:
    with pytest.raises(
        InputError, match=r"loss `torch\.nn:CrossEntropyLoss` fails on logits \(4, 3\) and .*weight tensor"
    ):
        toy.trainer(toy.config(loss={"name": "torch.nn:CrossEntropyLoss", "weight": [1, 2]}))


@pytest.mark.parametrize("module", ["torchvision.transforms", "torchvision.transforms.v2"])
def test_each_image_has_a_draw_of_its_own_by_the_seed_alone(toy: Toy, module: str) -> None:
    trainer = toy.trainer(toy.config(augment=[f"{module}:RandomHorizontalFlip"]))
    before = torch.get_rng_state()
    first, again = (torch.cat([images for images, _ in trainer.pipeline.training_batches(0)]) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(before, torch.get_rng_state())
    plain = toy.trainer(toy.config()).pipeline
    same = torch.cat([images for images, _ in plain.training_batches(0)])
    kept = torch.tensor([torch.equal(one, other) for one, other in zip(first, same, strict=True)])
    mirrored = torch.tensor([torch.equal(one, other.flip(-1)) for one, other in zip(first, same, strict=True)])
    assert (kept | mirrored).all()
    assert 0.3 < kept.float().mean() < 0.7
    assert all(kept[start : start + 8].any() and not kept[start : start + 8].all() for start in range(0, 16, 8))


def test_a_transform_that_is_not_random_changes_evaluation_too(toy: Toy) -> None:
    trainer = toy.trainer(toy.config(augment=[{"name": "torchvision.transforms:CenterCrop", "size": 6}]))
    images, _ = next(trainer.pipeline.evaluation_batches(trainer.data.validation))
    assert images.shape[1:] == trainer.pipeline.input_shape == (1, 6, 6)


def test_what_torch_refuses_names_the_class(toy: Toy) -> None:
    config = toy.config(optimizer={"name": "torch.optim:SGD", "nesterov": True})
    with pytest.raises(InputError, match=r"optimizer torch\.optim:SGD: torch refuses its options: Nesterov momentum"):
        toy.trainer(config)


def test_print_outs_are_the_means_since_the_last_and_change_nothing(toy: Toy) -> None:
    said: list[str] = []
    config = toy.config(print_every=5, schedule=f"{LR}:OneCycleLR")
    assert config.run_id == toy.config(schedule=f"{LR}:OneCycleLR").run_id
    trainer = toy.trainer(config, say=said.append)
    lines: list[dict[str, Any]] = []
    seen: list[tuple[float, float]] = []
    step = trainer._train_step

    def watched(images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        lr = trainer.lr
        loss, logits = step(images, labels)
        seen.append((loss.item(), (logits.argmax(1) == labels).float().mean().item()))
        if trainer.step + 1 == 10:
            expected = [sum(values) / 5 for values in zip(*seen[5:10], strict=True)]
            told = f"step 10/36, loss {expected[0]:.4f}, accuracy {expected[1]:.4f}, lr {lr:.6g}"
            wanted.append(told)
        return loss, logits

    wanted: list[str] = []
    trainer._train_step = watched  # type: ignore[method-assign]
    trainer.train(lines.append, lambda: None)
    assert [line.partition(",")[0] for line in said] == [f"step {step}/36" for step in range(5, 36, 5)]
    assert said[1] == wanted[0]
    plain = toy.trained(toy.config(schedule=f"{LR}:OneCycleLR"))[1]
    assert toy.timeless(lines) == toy.timeless(plain)


def test_a_stacked_run_prints_too(toy: Toy) -> None:
    said: list[str] = []
    trainer = toy.trainer(toy.config(print_every=1), say=said.append)
    stacked = StackedTrainer(trainer.config, trainer.data, say=said.append)
    stacked.update()
    stacked.count(torch.tensor(0.5), torch.eye(3)[:2], torch.tensor([0, 0]))
    assert said == ["step 1/36, loss 0.5000, accuracy 0.5000, lr 0.05"]


def test_validations_every_so_many_steps_and_at_the_end(toy: Toy) -> None:
    config = toy.config(validate_every={"steps": 10})
    assert isinstance(config, RunConfig)
    assert [line["step"] for line in toy.trained(config)[1]] == [10, 20, 30, 36]


def test_what_the_data_shows_to_be_idle_is_noted(toy: Toy) -> None:
    notes = toy.trainer(toy.config(batch_size=200, epochs=1, print_every=5, validate_every={"steps": 9})).notes
    assert "batch_size 200: one batch of 96 an epoch, there are 96 training images (drop_last keeps it)" in notes
    assert "print_every 5: the run has 1 steps, nothing is printed" in notes
    assert "validate_every 9 steps: the run has 1 and is validated once, at its end" in notes
    noted = toy.trainer(toy.config(early_stopping=4, validate_every={"steps": 9})).notes
    assert any(note.startswith("early_stopping 4 cannot end the run sooner: it has 4") for note in noted)
    acting = toy.trainer(toy.config(early_stopping=2, validate_every={"steps": 9})).notes
    assert not any("early_stopping" in note for note in acting)


def test_a_cycle_that_ends_before_the_run_is_refused(toy: Toy) -> None:
    config = toy.config(schedule={"name": f"{LR}:OneCycleLR", "total_steps": 2 * STEPS}, epochs=3)
    with pytest.raises(InputError, match=f"total_steps {2 * STEPS} ends before the run, which has {3 * STEPS}"):
        toy.trained(config)
