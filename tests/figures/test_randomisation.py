"""The model-randomisation check: what is compared, with what, and that a picture of the image alone is found out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cnnjobs import registry
from cnnjobs.components.models.resnet18 import resnet18
from cnnjobs.figures.drawing.figure import Drawing
from cnnjobs.figures.methods.randomisation import rank_correlations, reinitialised, summary
from cnnjobs.figures.network.subject import Subject


def draw(subject: Subject, layer: str) -> Drawing:
    given = {"subject": subject, "progress": lambda done, total: None}
    options = {"images": (0, 40, 90), "layer": layer}
    (drawing,) = registry.find("figure", "randomisation").build(given=given, options=options)
    assert isinstance(drawing, Drawing)
    return drawing


class Scaled(nn.Module):
    """A weight that no layer sets anew."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.arange(12.0).view(3, 4))

    def forward(self, values: Tensor) -> Tensor:
        return values @ self.scale


def test_nothing_that_was_learned_is_left_and_the_network_keeps_it() -> None:
    model = nn.Sequential(resnet18(3, 3, stem="cifar"), Scaled())
    model.train()(torch.randn(8, 3, 8, 8))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    fresh = reinitialised(model, 4)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model.training
    assert not fresh.training
    for name, tensor in fresh.state_dict().items():
        if tensor.ndim > 1 or "running" in name:
            assert not torch.equal(tensor, before[name]), name
    assert fresh.state_dict()["1.scale"].flatten().sort().values.tolist() == list(range(12))
    again, other = reinitialised(model, 4).state_dict(), reinitialised(model, 5).state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in fresh.state_dict().items())
    assert not torch.equal(other["0.conv1.weight"], again["0.conv1.weight"])


def test_ranks_are_compared_and_equal_values_share_theirs() -> None:
    maps = np.random.default_rng(0).random((1, 6, 6))
    assert rank_correlations(maps, np.exp(9 * maps))[0] == pytest.approx(1)
    assert rank_correlations(maps, -(maps**3))[0] == pytest.approx(-1)
    # Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4.
    tied = rank_correlations(np.array([[[1, 5, 5, 9]]]), np.array([[[1, 2, 3, 4]]]))
    assert tied[0] == pytest.approx(4.5 / np.sqrt(4.5 * 5))
    nothing = rank_correlations(maps, np.zeros_like(maps))
    assert np.isnan(nothing).all()
    assert summary(np.concatenate([tied, nothing]))["number"] == 1
    assert summary(nothing)["mean"] is None


class Energy(nn.Module):
    """Its gradient at a pixel is the pixel, whatever has been learned, but for the size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        self.fc = nn.Linear(1, 10, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.conv(images).square().sum((2, 3)))  # type: ignore[no-any-return]


def test_a_picture_of_the_image_alone_is_found_out(learned: Subject) -> None:
    figure = draw(learned, "4")
    found = {each["method"]: each["mean"] for each in figure.table}
    assert list(found) == ["gradient", "SmoothGrad", "integrated", "deconvolution", "guided", "Grad-CAM"]
    assert found["gradient"] < 0.8
    assert f"gradient {found['gradient']:.2f}" in figure.caption
    assert "mean over test images 0, 40, 90" in figure.caption
    blind = draw(replace(learned, model=Energy().eval()), "conv")
    assert {each["method"]: each["mean"] for each in blind.table}["gradient"] == pytest.approx(1)
