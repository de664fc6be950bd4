"""The figure of patterns: which images, which channels, which routes, and what it tells of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from cnnjobs.components.models.cnn import cnn
from cnnjobs.components.models.resnet18 import resnet18
from cnnjobs.errors import InputError
from cnnjobs.figures.drawing.figure import Drawing
from cnnjobs.figures.drawing.style import png_bytes
from cnnjobs.figures.kinds.patterns import patterns
from cnnjobs.figures.methods.patterns import find_patterns
from cnnjobs.figures.methods.top_images import search
from cnnjobs.figures.network.subject import Subject
from cnnjobs.training.data.preprocessing import Preprocessing


def drawn(subject: Subject, **options: Any) -> Drawing:
    (drawing,) = patterns(subject, lambda done, total: None, **options)
    assert png_bytes(drawing.figure).startswith(b"\x89PNG")
    return drawing


def headings(drawing: Drawing) -> list[str]:
    return [axes.get_title().replace("\n", " ") for axes in drawing.figure.axes]


@pytest.fixture
def residual(subject: Subject) -> Subject:
    return replace(subject, model=resnet18(3, 2, stem="cifar").eval())


def test_named_images_stand_beside_the_patterns_of_a_channel_in_them(subject: Subject) -> None:
    drawing = drawn(subject, layer="conv2", channel=3, images=(1, 2, 5))
    inputs = torch.cat([each.inputs for each in subject.images([1, 2, 5])])
    found = find_patterns(subject.model, inputs, "conv2", 3, units="map")
    assert np.array_equal(drawing.data["patterns"][0], found.signals.permute(0, 2, 3, 1).numpy())
    assert np.array_equal(drawing.data["images"], np.stack([each.shown for each in subject.images([1, 2, 5])]))
    assert drawing.data["indices"].tolist() == [1, 2, 5]
    assert headings(drawing) == ["images", "patterns"]
    assert drawing.name == "patterns-deconv-conv2-channel-3-test-images-1-2-5-map"
    assert drawing.caption == (
        f"conv2, channel 3: patterns in test images 1, 2, 5, of {subject.name}: all units of it, taken back to the"
        " pixels by deconvolution; gray is 0; full colour is the 99th percentile of each."
    )


def test_without_images_each_channel_has_its_own_cropped_to_what_its_unit_sees(subject: Subject) -> None:
    drawing = drawn(subject, layer="conv1", top=3, first=2)
    best = search(subject, "conv1", score="max", top=3)
    assert drawing.data["indices"].tolist() == best.indices[:2].tolist()
    assert drawing.data["activations"][:, 0] == pytest.approx(best.scores[:2])
    assert drawing.data["positions"][:, 0].tolist() == best.positions[:2].tolist()
    assert drawing.data["patterns"].shape == (2, 1, 3, 5, 5, 3)
    weights = subject.model.conv1.weight.detach().permute(0, 2, 3, 1).numpy()  # type: ignore[union-attr, operator]
    for channel in range(2):
        for pattern, (row, column) in zip(
            drawing.data["patterns"][channel, 0], drawing.data["positions"][channel, 0], strict=True
        ):
            if min(row, column) >= 2 and max(row, column) < 14:
                unit = pattern / np.abs(pattern).max()
                assert unit == pytest.approx(weights[channel] / np.abs(weights[channel]).max(), abs=1e-5)
    assert "cropped to the 5×5 pixels that the unit sees" in drawing.caption
    assert "channels 0 to 1 of 4: patterns in the 3 test images that excite each most" in drawing.caption


def test_a_residual_network_shows_every_route_and_one_image_all_channels_too(residual: Subject) -> None:
    every = drawn(residual, layer="layer2", images=(0, 1))
    assert headings(every) == [
        "images",
        "patterns",
        "through the trunk, last block",
        "through the shortcut, last block",
    ]
    assert every.facts["routes"] == ["full", "trunk", "shortcut"]
    single = drawn(residual, layer="layer2", channel=4, image="3", route="shortcut", blocks="all")
    assert headings(single) == ["image", "channel 4", "all channels"]
    assert single.name.endswith("map-shortcut-all-blocks")
    both = drawn(residual, layer="layer2", channel=4, image="3")
    assert len(headings(both)) == 8
    units = drawn(residual, layer="layer2", channel=4, image="3", route="full", units="strongest")
    assert headings(units) == ["image", "patterns"] * 2
    # Each unit sees its own part of the image.
    assert units.data["windows"].shape == (2, 1, 4)
    assert len({single.name, both.name, drawn(residual, layer="layer2", channel=4, image="3", route="full").name}) == 3


def test_images_without_an_answer_are_crossed_out_and_counted(subject: Subject) -> None:
    drawing = drawn(subject, layer="conv1", channel=2, images=(0, 1, 2), units="strongest", unpool="switch")
    assert drawing.caption.endswith("×: no answer; 3 of 3 do not answer.")
    assert drawing.facts["unanswered"] == 3
    assert not np.isnan(drawing.data["patterns"]).any()
    assert not drawing.data["patterns"].any()


def test_gray_images_have_gray_patterns(subject: Subject) -> None:
    steps = [{"name": "grayscale"}, {"name": "normalise", "mean": [0.5], "std": [0.25]}]
    gray = Preprocessing.from_steps(steps, (3, 16, 16))
    drawing = drawn(replace(subject, preprocessing=gray, model=cnn(1, 2, 16, filters=(4,), hidden=())), images=(0, 1))
    assert drawing.data["patterns"].shape == (1, 2, 16, 16, 1)
    assert drawing.data["images"].shape == (2, 16, 16, 1)
    mosaics = [np.asarray(axes.images[0].get_array()) for axes in drawing.figure.axes]
    tiles = [np.delete(mosaic, 16, axis=1) for mosaic in mosaics]
    assert all((tile[..., 0] == tile[..., 2]).all() for tile in tiles)


def test_patterns_at_224_pixels_have_colours_though_a_few_pixels_are_extreme(subject: Subject) -> None:
    torch.manual_seed(0)
    steps = [{"name": "resize", "size": 224}, {"name": "normalise", "mean": [0.5], "std": [0.25]}]
    enlarged = Preprocessing.from_steps(steps, (3, 16, 16))
    large = replace(subject, preprocessing=enlarged, model=resnet18(3, 2).eval())
    drawing = drawn(large, layer="layer3", images=(0, 1, 2, 3), route="shortcut")
    mosaic = np.asarray(drawing.figure.axes[1].images[0].get_array()).astype(float)
    away = np.abs(mosaic - 127.5).max(axis=-1)
    assert (away > 32).mean() > 0.5


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"layer": "flatten"}, r"layer `flatten` is not spatial"),
        ({"layer": "con1"}, r"no layer `con1`; did you mean `conv1`"),
        ({"layer": "conv1", "channel": 4}, r"layer `conv1` has no channel 4; it has 4, from 0 to 3"),
        ({"route": "trunk"}, r"has no trunk: no residual addition"),
        ({"image": "card", "images": (1,)}, r"--image and --images: give one of the two"),
        ({"images": (8,)}, r"test image 8: there are 8, 0 to 7"),
    ],
)
def test_what_cannot_be_drawn_is_told(subject: Subject, options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        drawn(subject, **options)


def test_activations_without_a_rule_are_told_before_any_image_is_searched(subject: Subject) -> None:
    model = cnn(3, 2, 16, filters=(4, 6), hidden=(), activation="tanh")
    with pytest.raises(InputError, match="`tanh` has no such rule; use vanilla"):
        drawn(replace(subject, model=model, config=None))
    assert drawn(replace(subject, model=model), method="vanilla", images=(0,)).data["patterns"].any()
