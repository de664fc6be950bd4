"""Saliency and Grad-CAM against their definitions, and against captum where that is right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cnnjobs import registry
from cnnjobs.components.models.lenet5 import lenet5
from cnnjobs.components.models.resnet18 import resnet18
from cnnjobs.errors import InputError
from cnnjobs.figures.drawing.figure import Drawing
from cnnjobs.figures.drawing.heatmap import directions, overlaid, strengths
from cnnjobs.figures.methods.attribution import (
    class_signals,
    grad_cam,
    integrated_gradients,
    logits_of,
    smooth_gradients,
)
from cnnjobs.figures.network.subject import Subject

CLASSES = torch.tensor([3, 0, 7])


def images(channels: int = 3, size: int = 32, count: int = 3) -> Tensor:
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(1))


def draw(subject: Subject, kind: str, **options: Any) -> Drawing:
    given = {"subject": subject, "progress": lambda done, total: None}
    (drawing,) = registry.find("figure", kind).build(given=given, options=options)
    return drawing


@pytest.fixture(params=["lenet5", "resnet18"])
def network(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor]:
    """A random network in eval mode, and images that it takes."""
    if request.param == "lenet5":
        return lenet5(1, 10, 28).eval(), images(1, 28)
    return resnet18(3, 10, stem="cifar").eval(), images()


def test_gradients_are_those_of_captum(network: tuple[nn.Module, Tensor]) -> None:
    attr = pytest.importorskip("captum.attr", reason="captum is not installed")
    model, inputs = network
    ours = class_signals(model, inputs, CLASSES)
    theirs = attr.Saliency(model).attribute(inputs.clone().requires_grad_(), CLASSES, abs=False)
    assert float((ours - theirs).abs().max()) <= 1e-6 * float(theirs.abs().max())


def test_integrated_gradients_are_those_of_captum() -> None:
    attr = pytest.importorskip("captum.attr", reason="captum is not installed")
    model, inputs = lenet5(1, 10, 28).eval(), images(1, 28)
    baseline = inputs.mean(0)
    ours = integrated_gradients(model, inputs, CLASSES, baseline, steps=10)
    theirs = attr.IntegratedGradients(model).attribute(
        inputs, baseline.expand_as(inputs), CLASSES, n_steps=ours.steps, method="riemann_middle"
    )
    # Where a point lies on the edge of a ReLU, rounding decides.
    assert float((ours.values - theirs).abs().max()) <= 1e-3 * float(theirs.abs().max())


@pytest.mark.parametrize(
    ("name", "layer"), [("lenet5", "relu2"), ("resnet18", "layer3"), ("resnet18", "layer4.0.conv1")]
)
def test_grad_cam_is_that_of_captum(name: str, layer: str) -> None:
    attr = pytest.importorskip("captum.attr", reason="captum is not installed")
    model, inputs = (lenet5(1, 10, 28), images(1, 28)) if name == "lenet5" else (resnet18(3, 10), images(size=64))
    model.eval()
    theirs = (
        attr.LayerGradCam(model, model.get_submodule(layer)).attribute(inputs, CLASSES, relu_attributions=True).detach()
    )
    ours = grad_cam(model, inputs, layer, CLASSES)
    assert theirs.any()
    assert float((ours - theirs[:, 0]).abs().max()) <= 1e-6 * max(1.0, float(theirs.max()))


def test_grad_cam_is_cam_where_a_mean_and_a_matrix_follow() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10)
    )
    inputs = images()
    maps = model[1](model[0](inputs)).detach()
    expected = torch.einsum("nk,nkhw->nhw", model[4].weight[CLASSES], maps).clamp(min=0) / maps[0, 0].numel()
    assert torch.allclose(grad_cam(model, inputs, "1", CLASSES), expected, atol=1e-6)
    # What follows writes into the output of the convolution; its own values are meant.
    raw = model[0](inputs).detach()
    slopes = model[4].weight[CLASSES] / maps[0, 0].numel()
    weights = slopes * (raw > 0).float().mean((2, 3))
    expected = torch.einsum("nk,nkhw->nhw", weights, raw).clamp(min=0)
    assert torch.allclose(grad_cam(model, inputs, "0", CLASSES), expected, atol=1e-6)


def test_grad_cam_finds_a_planted_patch() -> None:
    detector = nn.Conv2d(1, 1, 4, bias=False)
    detector.weight.data.fill_(1 / 16)
    model = nn.Sequential(detector, nn.Threshold(0.8, 0), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    model[4].weight.data = torch.tensor([[1.0], [-1.0]])
    inputs = 0.3 * torch.rand(1, 1, 20, 20)
    inputs[0, 0, 11:15, 3:7] = 1
    for_it, against_it = grad_cam(model, inputs.repeat(2, 1, 1, 1), "1", torch.tensor([0, 1]))
    assert divmod(int(for_it.argmax()), for_it.shape[1]) == (11, 3)
    assert not against_it.any()


def test_pixels_that_grad_cam_marks_matter_more_than_random_ones(learned: Subject) -> None:
    inputs = torch.cat([image.inputs for image in learned.images(range(0, 200, 5))])
    classes = logits_of(learned.model, inputs).argmax(1)
    heat = torch.nn.functional.interpolate(grad_cam(learned.model, inputs, "4", classes)[:, None], inputs.shape[2:])
    mean = inputs.mean((0, 2, 3), keepdim=True)

    def kept(order: Tensor) -> dict[str, float]:
        """The mean probability of the class while pixels are taken out, and put in, the first of `order` first."""
        found: dict[str, list[Tensor]] = {"out": [], "in": []}
        for count in range(0, order.shape[1], 56):
            chosen = torch.zeros_like(order, dtype=torch.bool).scatter(1, order[:, :count], True).view_as(inputs)
            for name, images in (("out", inputs.where(~chosen, mean)), ("in", inputs.where(chosen, mean))):
                found[name].append(logits_of(learned.model, images).softmax(1).gather(1, classes[:, None]).mean())
        return {name: float(torch.stack(values).mean()) for name, values in found.items()}

    marked = kept(heat.flatten(1).argsort(1, descending=True))
    random = kept(torch.rand(heat.flatten(1).shape).argsort(1))
    assert marked["out"] < random["out"]
    assert marked["in"] > random["in"]


def test_smoothgrad_is_the_mean_gradient_around_the_image() -> None:
    model, inputs = lenet5(1, 10, 28).eval(), images(1, 28)
    assert torch.allclose(
        smooth_gradients(model, inputs, CLASSES, samples=3, noise=0), class_signals(model, inputs, CLASSES), atol=1e-7
    )
    # Of a square, the gradient at noisy places scatters with the noise: its deviation tells what noise was added.
    square = _Square()
    image = torch.linspace(-1, 3, 20000).view(1, 1, 100, 200)
    found = smooth_gradients(square, image, torch.tensor([0]), samples=1, noise=0.15)
    assert float((found - 2 * image).std()) == pytest.approx(2 * 0.15 * 4, rel=0.03)
    once, again, other = (
        smooth_gradients(square, image, torch.tensor([0]), samples=2, seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


class _Square(nn.Module):
    def forward(self, pixels: Tensor) -> Tensor:
        return pixels.square().sum((1, 2, 3))[:, None]


def test_integrated_gradients_are_complete(network: tuple[nn.Module, Tensor]) -> None:
    model, inputs = network[0], network[1][:1]
    baseline = torch.zeros_like(inputs[0])
    found = integrated_gradients(model, inputs, CLASSES[:1], baseline)
    gains = (logits_of(model, inputs) - logits_of(model, baseline[None]))[:, CLASSES[0]]
    assert found.complete
    assert bool((found.errors < 0.01).all())
    assert torch.allclose(found.values.sum((1, 2, 3)), gains, rtol=0.011)
    # An image on the baseline itself gains nothing, and misses nothing.
    nothing = integrated_gradients(model, baseline[None], CLASSES[:1], baseline, steps=2)
    assert not nothing.values.any()
    assert nothing.errors.tolist() == [0]


def test_what_is_not_complete_is_tried_with_more_steps_and_told(subject: Subject) -> None:
    class Jump(nn.Module):
        def forward(self, pixels: Tensor) -> Tensor:
            # A step that no gradient sees.
            sums = pixels.sum((1, 2, 3))
            return torch.stack([sums + 500 * (pixels.mean((1, 2, 3)) > -1).float(), sums], 1)

    model = Jump()
    found = integrated_gradients(model, torch.ones(1, 3, 2, 2), torch.tensor([0]), torch.full((3, 2, 2), -9.0))
    assert not found.complete
    assert found.steps == 800
    assert found.errors.item() == pytest.approx(500 / 620)
    caption = draw(replace(subject, model=model), "saliency", images=(7,), class_="dark").caption
    assert "so they are not complete" in caption


def test_the_network_is_left_as_it_was() -> None:
    model = resnet18(3, 10).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    grad_cam(model, images(size=64), "layer2", CLASSES)
    class_signals(model, images(size=64), CLASSES)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_figures_name_class_and_numbers(learned: Subject) -> None:
    asked = draw(learned, "saliency", images=(4, 9, 12), class_="Coat", samples=2, baseline="gray")
    assert asked.facts["asked"] == ["Coat"] * 3
    assert asked.data["gradient"].shape == (3, 28, 28, 1)
    assert float(asked.data["completeness_errors"].max()) < 0.01
    assert f"miss at most {asked.data['completeness_errors'].max():.2%} of it" in asked.caption
    inputs = torch.cat([image.inputs for image in learned.images((4, 9, 12))])
    predicted = learned.model(inputs).argmax(1).tolist()
    cam = draw(learned, "gradcam", images=(4, 9, 12), layer="4")
    assert cam.data["classes"].tolist() == predicted
    assert f"4 {learned.images([4])[0].label}: {learned.classes[predicted[0]]}" in cam.caption
    assert cam.data["maps"].shape == (3, 10, 10)
    # Without names, images from all over the split.
    assert [each["index"] for each in draw(learned, "gradcam").facts["images"]] == [0, 250, 500, 750]
    by_number = draw(learned, "gradcam", image="card", class_="3")
    assert by_number.facts["asked"] == [learned.classes[3]]


def test_mistakes_are_told(learned: Subject) -> None:
    with pytest.raises(InputError, match="--class Coats: no such class of small; did you mean `Coat`"):
        draw(learned, "saliency", class_="Coats")
    with pytest.raises(InputError, match="layer `7` is not spatial"):
        draw(learned, "gradcam", layer="7")
    with pytest.raises(InputError, match="test image 1000: there are 1000, 0 to 999"):
        draw(learned, "gradcam", images=(1000,))
    unused = nn.Sequential(nn.Conv2d(1, 10, 28), nn.Flatten())
    unused.add_module("spare", nn.Identity())
    with pytest.raises(InputError, match="layer `extra` is never called"):
        grad_cam(_Unused(), images(1, 28), "extra", CLASSES)
    with pytest.raises(InputError, match="layer `aside`: no class depends on it"):
        grad_cam(_Unused(), images(1, 28), "aside", CLASSES)
    with pytest.raises(InputError, match="gives 10×1×1 numbers per image, not one for each class"):
        logits_of(nn.Conv2d(1, 10, 28), images(1, 28))


class _Unused(nn.Module):
    """One layer whose output nobody uses, and one that nobody calls."""

    def __init__(self) -> None:
        super().__init__()
        self.aside, self.extra = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 3)
        self.fc = nn.Linear(28 * 28, 10)

    def forward(self, pixels: Tensor) -> Tensor:
        self.aside(pixels)
        return self.fc(pixels.flatten(1))


def test_pictures_of_nothing_and_of_extremes() -> None:
    values = np.zeros((3, 20, 20))
    values[1, 3, 4] = -7
    values[2] = np.linspace(0, 1, 400).reshape(20, 20)
    values[2, 0, 0] = 1000
    reds = directions(values)
    assert (reds[0] == reds[0, 0, 0]).all()
    assert reds[1, 3, 4].tolist() != reds[0, 0, 0].tolist()
    grays = strengths(np.abs(values))
    assert not grays[0].any()
    assert grays[2, 10, 0, 0] == pytest.approx(255 * 0.5 / 0.99, abs=3)
    over = overlaid(np.full((1, 20, 20, 1), 255, np.uint8), values[:1])
    assert (over == over[0, 0, 0]).all()
