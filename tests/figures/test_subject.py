from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cnnjobs.errors import DataError, InputError
from cnnjobs.figures.network.subject import Subject
from cnnjobs.figures.network.test_card import draw_card
from cnnjobs.training.data.pipeline import DataSets
from cnnjobs.training.data.preprocessing import Preprocessing

RESIZED = ({"name": "resize", "size": 24}, {"name": "normalise", "mean": [0.5], "std": [0.5]})


def test_an_image_of_the_data_set_is_what_the_network_was_tested_on(subject: Subject) -> None:
    image = subject.image("5")
    assert (image.name, image.index, image.label) == ("test image 5 (light)", 5, "light")
    pixels = subject.split("test").images(torch.tensor([5]))
    assert torch.equal(image.inputs, subject.preprocessing(pixels))
    assert np.array_equal(image.shown, pixels[0].permute(1, 2, 0).numpy())
    assert subject.image("0", "train").name == "train image 0 (dark)"


def test_what_is_shown_is_what_the_network_sees_without_the_normalisation(subject: Subject) -> None:
    for source in ("3", "card"):
        image = subject.image(source)
        mean, std = (torch.tensor(subject.preprocessing.steps[-1][key])[:, None, None] for key in ("mean", "std"))
        restored = (image.inputs[0] * std + mean).permute(1, 2, 0).numpy() * 255
        assert np.abs(restored - image.shown).max() <= 1


def test_the_card_comes_without_a_word_in_the_size_of_the_network(subject: Subject) -> None:
    assert np.array_equal(subject.image().shown, draw_card(16))
    assert subject.image().name == "the test card"
    resized = replace(subject, preprocessing=Preprocessing.from_steps(RESIZED, (3, 16, 16)))
    assert np.array_equal(resized.image().shown, draw_card(24))
    gray = replace(subject, preprocessing=Preprocessing.from_steps(({"name": "grayscale"}, *RESIZED), (3, 16, 16)))
    assert gray.image("card").shown.shape == (24, 24, 1)
    assert gray.image("card").inputs.shape == (1, 1, 24, 24)


def test_images_of_other_channels_are_shown_in_gray(subject: Subject) -> None:
    four = replace(subject, preprocessing=Preprocessing.from_steps(RESIZED, (4, 16, 16)))
    image = four.image()
    assert image.inputs.shape == (1, 4, 24, 24)
    assert image.shown.shape == (24, 24, 1)
    with pytest.raises(InputError, match="takes images of 4 channels: no image file has them"):
        four.image(__file__)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK", "1", "I;16"])
def test_image_files_of_every_mode_and_size(subject: Subject, tmp_path: Path, mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 256) if mode == "I;16" else image.convert(mode)
    image.save(tmp_path / "it.tif")
    found = subject.image(str(tmp_path / "it.tif"))
    assert found.name == "it.tif"
    assert found.inputs.shape == (1, 3, 16, 16)
    assert found.shown.shape == (16, 16, 3)
    assert "brought to 16×16" in " ".join(found.notes)


def test_what_the_preprocessing_enlarges_comes_from_the_file_in_full(subject: Subject, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "it.png")
    resized = replace(subject, preprocessing=Preprocessing.from_steps(RESIZED, (3, 16, 16)))
    found = resized.image(str(tmp_path / "it.png"))
    assert np.array_equal(found.shown, pixels)
    assert found.notes == ()


@pytest.mark.parametrize(
    ("source", "split", "message"),
    [
        ("8", "test", "test image 8: there are 8, 0 to 7"),
        ("nowhere.png", "test", "nowhere.png: there is no such file"),
        (__file__, "test", "is no image, or of a kind that cannot be read here"),
        (str(Path(__file__).parent), "test", "is a folder; name image files"),
        ("3", "testing", "--split testing: no such split; allowed: train, validation, test"),
    ],
    ids=["number", "missing", "text", "folder", "split"],
)
def test_what_is_no_image_is_told_in_one_line(subject: Subject, source: str, split: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        subject.image(source, split)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_data_set_that_is_not_there_or_does_not_fit_is_told(subject: Subject) -> None:
    elsewhere = replace(subject, data_sets=DataSets((), torch.device("cpu")))
    with pytest.raises(DataError, match="shades"):
        elsewhere.image("3")
    with pytest.raises(InputError, match=r"has no data set of its own; name one with --dataset"):
        replace(subject, config=None).split("test")
    larger = replace(subject, preprocessing=Preprocessing.from_steps(RESIZED[1:], (3, 20, 20)))
    with pytest.raises(InputError, match=r"does not fit .*: it gives 3×16×16, not 3×20×20"):
        larger.split("test")


def test_the_last_maps_are_those_of_the_last_block(subject: Subject) -> None:
    assert subject.last_maps() == "relu2"
    block = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU())
    network = torch.nn.Sequential()
    network.add_module("stem", torch.nn.Conv2d(3, 3, 3))
    network.add_module("block", block)
    network.add_module("pool", torch.nn.AdaptiveAvgPool2d(1))
    network.add_module("flatten", torch.nn.Flatten())
    assert replace(subject, model=network).last_maps() == "block"
    flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 2))
    with pytest.raises(InputError, match="has no layer that gives maps"):
        replace(subject, model=flat).last_maps()
