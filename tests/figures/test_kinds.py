"""Every kind of figure on a small network: the numbers that are drawn are those of the network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnjobs import registry
from cnnjobs.errors import InputError
from cnnjobs.figures.drawing.figure import Drawing
from cnnjobs.figures.drawing.mosaics import coloured
from cnnjobs.figures.kinds import FLAGS, OPTIONS, STANDARD
from cnnjobs.figures.network.subject import Subject
from cnnjobs.training.data.preprocessing import Preprocessing

KINDS = registry.components("figure")


def draw(subject: Subject, kind: str, **options: Any) -> list[Drawing]:
    given = {"subject": subject, "progress": lambda done, total: None}
    return list(registry.find("figure", kind).build(given=given, options=options))


def drawn(subject: Subject, kind: str, **options: Any) -> Drawing:
    (found,) = draw(subject, kind, **options)
    return found


def test_every_option_of_a_kind_is_explained_and_every_explained_one_is_used() -> None:
    used = {name for kind in KINDS.values() for name in kind.parameters}
    assert used == set(OPTIONS)
    for kind in KINDS.values():
        for name, parameter in kind.parameters.items():
            assert (parameter.annotation is bool) == (name in FLAGS)
    for name, options in STANDARD:
        assert set(options) <= set(KINDS[name].parameters)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_draws_with_its_defaults_and_leaves_the_network_as_it_was(subject: Subject, kind: str) -> None:
    before = {name: tensor.clone() for name, tensor in subject.model.state_dict().items()}
    generator = torch.get_rng_state()
    figures = draw(subject, kind)
    assert figures
    assert len({figure.name for figure in figures}) == len(figures)
    for figure in figures:
        assert figure.caption.endswith(".")
        assert figure.caption.count(". ") == 0
        assert "\n" not in figure.caption
        assert subject.name in figure.caption
        assert figure.facts["kind"] == kind
        assert figure.facts["network"] == subject.name
        assert all(np.isfinite(values).all() for values in figure.data.values())
    assert all(torch.equal(tensor, before[name]) for name, tensor in subject.model.state_dict().items())
    assert not any(module._forward_hooks for module in subject.model.modules())
    assert torch.equal(torch.get_rng_state(), generator)


def test_filters_in_colour_are_the_weights_on_one_scale(subject: Subject) -> None:
    figure = drawn(subject, "filters")
    weights = subject.model.conv1.weight.detach().numpy()  # type: ignore[union-attr]
    assert np.array_equal(figure.data["weights"], weights)
    pictures, limits = coloured(weights.transpose(0, 2, 3, 1), shared=True)
    assert limits[0] == pytest.approx(np.abs(weights).max())
    for axes, picture in zip(figure.figure.axes, pictures, strict=True):
        assert np.array_equal(np.asarray(axes.images[0].get_array()), picture)
    assert [each["index"] for each in figure.facts["filters"]] == [0, 1, 2, 3]
    assert f"±{limits[0]:.3g}" in figure.caption


def test_filters_by_input_channel(subject: Subject) -> None:
    weights = subject.model.conv1.weight.detach().numpy()  # type: ignore[union-attr]
    figures = draw(subject, "filters", mode="channel")
    assert [figure.facts["input_channel"] for figure in figures] == [0, 1, 2]
    for channel, figure in enumerate(figures):
        assert np.array_equal(figure.data["weights"][:, 0], weights[:, channel])
    assert "blue" in figures[2].caption
    deep = drawn(subject, "filters", layer="conv2", channel=3, indices=(5, 0))
    assert deep.data["weights"].shape == (2, 1, 5, 5)
    assert deep.data["indices"].tolist() == [5, 0]
    assert "input channel 3 of 4" in deep.caption


def test_filters_above_what_they_answer(subject: Subject) -> None:
    figure = drawn(subject, "filters", image="2", indices=(0, 3))
    image = subject.image("2")
    conv: Any = subject.model.conv1  # type: ignore[union-attr]
    answers = F.conv2d(image.inputs, conv.weight, conv.bias, padding=2)[0, [0, 3]]
    assert np.allclose(figure.data["activations"], answers.detach().numpy(), atol=1e-5)
    assert len(figure.figure.axes) == 4
    assert "test image 2 (dark)" in figure.caption


def test_activations_are_those_of_the_layer_and_dead_channels_are_marked(subject: Subject) -> None:
    conv: Any = subject.model.conv1  # type: ignore[union-attr]
    expected = F.conv2d(subject.image().inputs, conv.weight, conv.bias, padding=2)[0]
    before = drawn(subject, "activations", layer="conv1")
    assert np.allclose(before.data["maps"], expected.detach().numpy(), atol=1e-5)
    assert "not after a ReLU: values go down to" in before.caption
    assert before.facts["dead"] == []
    after = drawn(subject, "activations", layer="relu1", image="1")
    assert after.facts["dead"] == [2]
    assert after.facts["class"] == "dark"
    assert "after its ReLU" in after.caption
    assert "dead for this image, one value all over (1 of 4)" in after.caption
    assert after.data["maps"].min() == 0
    assert [axes.get_title() for axes in after.figure.axes] == ["0", "1", "2 ×", "3"]


def test_a_relu_that_is_no_module_is_measured(subject: Subject) -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.block = nn.Sequential(nn.Conv2d(4, 4, 3))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            # What follows writes into the output of the block.
            return self.block(self.conv(images)).relu_().mean((2, 3))

    network = Functional()
    network.eval()
    ours = replace(subject, model=network)
    assert "not after a ReLU" in drawn(ours, "activations", layer="block").caption
    rectified = nn.Sequential(network.conv, nn.Hardtanh(0, 1e9))
    assert "after a ReLU: none is below 0" in drawn(replace(subject, model=rectified), "activations", layer="1").caption


def test_fewer_channels_on_request(subject: Subject) -> None:
    assert drawn(subject, "activations", layer="conv2", first=2).facts["channels"] == [0, 1]
    assert drawn(subject, "activations", layer="conv2", indices=(5, 1)).facts["channels"] == [5, 1]
    capped = drawn(subject, "activations", layer="conv2", max_channels=4)
    assert capped.data["maps"].shape == (4, 8, 8)
    assert "4 of 6 maps" in capped.caption
    assert drawn(subject, "activations", layer="conv2", max_channels=99).facts["channels"] == list(range(6))
    names = {drawn(subject, "activations", layer="conv2", first=first).name for first in (2, 4, 6)}
    assert len(names) == 3


def test_many_maps_are_mosaics_on_pages(subject: Subject) -> None:
    network = nn.Sequential(nn.Conv2d(3, 1100, 16))
    steps = ({"name": "normalise", "mean": [0.5], "std": [0.5]},)
    ours = replace(subject, model=network, preprocessing=Preprocessing.from_steps(steps, (3, 22, 22)))
    figures = draw(ours, "activations", layer="0")
    assert [len(figure.facts["channels"]) for figure in figures] == [512, 512, 76]
    assert [len(figure.figure.axes) for figure in figures] == [1, 1, 1]
    assert figures[1].facts["channels"][0] == 512
    assert len({figure.name for figure in figures}) == 3


def test_top_images_are_those_of_the_whole_split(subject: Subject) -> None:
    figure = drawn(subject, "top-images", layer="conv2", channel=4, top=3)
    maps = subject.maps("conv2", subject.preprocessing(subject.split("test").images(slice(None))))
    expected = np.argsort(-maps[:, 4].sum((1, 2)).numpy(), kind="stable")[:3]
    assert figure.data["indices"][4].tolist() == expected.tolist()
    titles = [axes.get_title() for axes in figure.figure.axes]
    assert [int(title.split()[0]) for title in titles] == expected.tolist()
    assert f"the first is {expected[0]}" in figure.caption
    assert "of all 8" in figure.caption
    best = drawn(subject, "top-images", layer="conv2", score="max", split="train", first=2, top=2)
    assert len(best.figure.axes) == 4
    assert best.data["indices"].shape == (6, 2)


def test_inputs_of_the_data_set(subject: Subject) -> None:
    figure = drawn(subject, "inputs", images=(1, 2, 3, 7))
    pixels = subject.split("test").images(torch.tensor([1, 2, 3, 7]))
    assert np.array_equal(figure.data["images"], pixels.permute(0, 2, 3, 1).numpy())
    assert [each["class"] for each in figure.facts["images"]] == ["dark", "dark", "dark", "light"]
    assert drawn(subject, "inputs", image="card").data["images"].shape == (1, 16, 16, 3)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("filters", {"layer": "conv9"}, "the network has no layer `conv9`; did you mean `conv2` or `conv1`?"),
        ("filters", {"layer": "relu1"}, "layer `relu1` is a ReLU and has no filters; convolutions: conv1, conv2"),
        ("filters", {"indices": (4,)}, "layer `conv1`: there is no filter 4; it has 4, 0 to 3"),
        ("filters", {"channel": 3}, "--channel 3: the filters of `conv1` see 3 channels, 0 to 2"),
        ("filters", {"mode": "rgb", "layer": "conv2"}, "--mode rgb: the filters of `conv2` see 4 channels"),
        ("filters", {"mode": "rgb", "channel": 0}, "in colour all three channels are drawn"),
        ("activations", {"layer": "fc1"}, "layer `fc1` is not spatial (2 per image): it gives no maps"),
        ("activations", {"indices": (0, 6), "layer": "conv2"}, "layer `conv2` has no channel 6; it has 6, from 0 to 5"),
        ("activations", {"first": 7, "layer": "conv2"}, "--first 7: layer `conv2` has 6 channels"),
        ("activations", {"first": 1, "indices": (1,)}, "--indices and --first: give one of the two"),
        ("top-images", {"layer": "flatten"}, "layer `flatten` is not spatial"),
        ("top-images", {"layer": "conv2", "channel": 6}, "layer `conv2` has no channel 6"),
        ("inputs", {"image": "1", "images": (1,)}, "--image and --images: give one of the two"),
    ],
    ids=lambda value: value if isinstance(value, str) and value in KINDS else "",
)
def test_what_cannot_be_drawn_is_told_in_one_line(subject: Subject, kind: str, options: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        draw(subject, kind, **options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
