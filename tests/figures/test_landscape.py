"""The loss around the weights: of the right weights, along the right directions, and without moving any."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnjobs import registry
from cnnjobs.components.models.resnet18 import resnet18
from cnnjobs.errors import InputError
from cnnjobs.figures.drawing.figure import Drawing
from cnnjobs.figures.methods.landscape import direction, landscape
from cnnjobs.figures.network.subject import Subject


def draw(subject: Subject, **options: Any) -> Drawing:
    given = {"subject": subject, "progress": lambda done, total: None}
    (drawing,) = registry.find("figure", "landscape").build(given=given, options=options)
    return drawing


def test_directions_are_as_long_as_the_filters_and_leave_the_rest() -> None:
    model = resnet18(3, 10)
    found = direction(model, torch.Generator().manual_seed(0))
    parameters = dict(model.named_parameters())
    assert set(found) == {name for name in parameters if name.endswith(("conv1.weight", "conv2.weight"))} | {
        *(name for name in parameters if name.endswith("downsample.0.weight")), "fc.weight"
    }  # fmt: skip
    for name, values in found.items():
        assert torch.allclose(values.flatten(1).norm(dim=1), parameters[name].flatten(1).norm(dim=1), rtol=1e-4)


def test_each_point_is_the_loss_of_the_moved_weights() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Dropout(0.9), nn.Flatten(), nn.Linear(108, 4)
    )
    images, labels = torch.randn(10, 1, 8, 8), torch.arange(10) % 4
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    batches = [(images[:7], labels[:7]), (images[7:], labels[7:])]
    found = landscape(model, batches, F.cross_entropy, [-0.5, 0, 0.5], seed=3)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())

    generator = torch.Generator().manual_seed(3)
    first, second = direction(model, generator), direction(model, generator)
    model.eval()
    for row, column in ((1, 1), (0, 2), (2, 1)):
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name in first:
                    parameter.copy_(before[name] + found.steps[row] * first[name] + found.steps[column] * second[name])
            logits = model(images)
        assert found.loss[row, column] == pytest.approx(float(F.cross_entropy(logits, labels)), rel=1e-5)
        assert found.accuracy[row, column] == pytest.approx(float((logits.argmax(1) == labels).float().mean()))
    assert found.middle == (found.loss[1, 1], found.accuracy[1, 1])


def test_a_trained_network_lies_in_a_valley(learned: Subject) -> None:
    figure = draw(learned, points=5, number=200)
    loss = figure.data["loss"]
    assert loss[2, 2] == loss.min() == figure.facts["loss"]
    assert loss[2, 2] < 0.5 * loss[0, 0]
    assert figure.data["steps"].tolist() == [-1, -0.5, 0, 0.5, 1]
    again, other = draw(learned, points=5, number=200), draw(learned, points=5, number=200, seed=1)
    assert np.array_equal(again.data["loss"], loss)
    assert not np.array_equal(other.data["loss"], loss)
    assert other.name != figure.name
    assert "200 train images" in figure.caption


def test_an_even_number_of_points_has_no_middle(learned: Subject) -> None:
    with pytest.raises(InputError, match="--points 4: write an odd number above 1"):
        draw(learned, points=4)
