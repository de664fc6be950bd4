from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnjobs.components.losses import cross_entropy
from cnnjobs.system.stop_request import Stopped
from cnnjobs.training.networks.evaluate import evaluate


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(144, 3)
    )


def batches(images: Tensor, labels: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    return [*zip(images.split(size), labels.split(size), strict=True)]


IMAGES = torch.randn(50, 1, 8, 8, generator=torch.Generator().manual_seed(2)) * 3
LABELS = torch.arange(50) % 3


def test_the_loss_and_accuracy_are_means_over_all_images_whatever_the_last_batch() -> None:
    model = network().eval()
    with torch.no_grad():
        logits = model(IMAGES)
    # Batches of 16 leave 2 images: the mean of batch means would give them eight times their weight.
    measured = evaluate(model, batches(IMAGES, LABELS, 16), cross_entropy())
    assert measured["loss"] == pytest.approx(F.cross_entropy(logits.double(), LABELS).item(), rel=1e-6)
    assert measured["accuracy"] == (logits.argmax(1) == LABELS).sum().item() / 50
    batch_means = [F.cross_entropy(part, labels).item() for part, labels in batches(logits, LABELS, 16)]
    assert abs(sum(batch_means) / 4 - measured["loss"]) > 1e-3


@pytest.mark.parametrize("size", [1, 7, 50])
def test_neither_order_nor_batch_size_matters(size: int) -> None:
    model = network().train()
    expected = evaluate(model, batches(IMAGES, LABELS, 50), cross_entropy())
    by_class = LABELS.argsort()
    sorted_by_class = evaluate(model, batches(IMAGES[by_class], LABELS[by_class], size), cross_entropy())
    assert sorted_by_class == {"loss": pytest.approx(expected["loss"], rel=1e-6), "accuracy": expected["accuracy"]}


def test_the_model_is_left_as_it_was_found() -> None:
    model = network().train()
    frozen = model[1].eval()
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    loss = cross_entropy(label_smoothing=0.1)
    evaluate(model, batches(IMAGES, LABELS, 16), loss)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [part.training for part in model] == [part is not frozen for part in model]
    assert loss.training
    assert torch.equal(torch.get_rng_state(), random)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_smoothing_belongs_to_training_alone() -> None:
    model, smoothed = network(), cross_entropy(label_smoothing=0.2)
    measured = evaluate(model, batches(IMAGES, LABELS, 16), smoothed)
    assert measured == evaluate(model, batches(IMAGES, LABELS, 16), cross_entropy())
    logits = torch.randn(5, 3)
    assert smoothed(logits, LABELS[:5]) == F.cross_entropy(logits, LABELS[:5], label_smoothing=0.2)


def test_bfloat16_measures_nearly_the_same() -> None:
    model = network()
    exact = evaluate(model, batches(IMAGES, LABELS, 16), cross_entropy())
    rough = evaluate(model, batches(IMAGES, LABELS, 16), cross_entropy(), precision="bfloat16")
    assert rough["loss"] != exact["loss"]
    assert rough["loss"] == pytest.approx(exact["loss"], rel=0.02)


def test_it_ends_when_asked_and_refuses_nothing_at_all() -> None:
    with pytest.raises(Stopped):
        evaluate(network(), batches(IMAGES, LABELS, 16), cross_entropy(), stopped=lambda: True)
    with pytest.raises(ValueError, match="without images"):
        evaluate(network(), [], cross_entropy())
