from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from cnnjobs.errors import RunError
from cnnjobs.training.networks.shape_errors import misfit


class Fixed(nn.Module):
    """Made for images of 8x8 pixels."""

    def __init__(self, in_channels: int = 1, num_classes: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.ReLU(), nn.Flatten())
        self.fc = nn.Linear(4 * 36, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.body(images))
        return logits


def told(model: nn.Module, images: torch.Tensor) -> str:
    with pytest.raises(RuntimeError) as raised:
        model(images)
    return str(misfit(model, images, "mine:Net", raised.value))


def test_the_layer_is_named_with_what_it_was_given() -> None:
    # What torch says after it differs from version to version.
    assert told(Fixed(), torch.rand(2, 1, 12, 12)).startswith(
        "model `mine:Net` cannot take images (1, 12, 12): its layer fc (Linear) fails on what it is given of shape"
        " (2, 400): "
    )
    assert "its layer body.0 (Conv2d) fails on what it is given of shape (2, 3, 8, 8): " in told(
        Fixed(), torch.rand(2, 3, 8, 8)
    )


def test_a_reshape_in_the_network_itself_is_its_forward() -> None:
    class Reshaping(Fixed):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images).view(7, 7)

    assert (
        "mine:Net` cannot take images (1, 8, 8): its forward fails on what it is given of shape (2, 1, 8, 8)"
        in told(Reshaping(), torch.rand(2, 1, 8, 8))
    )


def test_other_errors_stay_what_they_are() -> None:
    images = torch.rand(1, 1, 8, 8)
    assert misfit(Fixed(), torch.rand(1, 1, 12, 12), "mine:Net", RuntimeError("the licence has run out")) is None
    assert misfit(Fixed(), images, "mine:Net", RuntimeError("shapes, but only the first time")) is None
    assert (
        misfit(Fixed(), torch.rand(1, 1, 12, 12), "mine:Net", torch.OutOfMemoryError("no memory of that size")) is None
    )


def test_training_names_the_layer(toy: Any) -> None:
    trainer = toy.trainer(toy.config())
    trainer.model[6] = nn.Linear(5, 3)
    with pytest.raises(
        RunError, match=r"^model `toys:Small` cannot take images \(1, 8, 8\): its layer 6 \(Linear\) fails"
    ):
        trainer.train(lambda line: None, lambda: None)
