from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.transforms import v2

from cnnjobs.components.augment import Letterbox, Resize
from cnnjobs.components.data.datasets import DataSet, image_folder
from cnnjobs.components.files.fitting import Fitting
from cnnjobs.components.files.image_folders import read_splits
from cnnjobs.components.files.pictures import read_picture
from cnnjobs.components.geometry import fit
from cnnjobs.config.fitting import fitting_of, fitting_place
from cnnjobs.config.run import read_choice
from cnnjobs.errors import InputError

SIZES = ((20, 20), (33, 50), (300, 41), (16, 16), (7, 90))
STRETCH, CROP, LETTERBOX = Fitting("stretch", 16), Fitting("crop", 16, 18), Fitting("letterbox", 16)


def photos(folder: Path) -> list[Path]:
    draws = np.random.default_rng(0)
    paths = []
    for split in ("train", "test"):
        for index, (width, height) in enumerate(SIZES):
            path = folder / split / ("cat" if index % 2 else "dog") / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draws.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
            paths.append(path)
    return paths


def read(folder: Path, fitting: Fitting) -> dict[str, np.ndarray]:
    """Decoded training images by the names of their files."""
    images = read_splits(folder, None, fitting).images["train"]
    files = [*sorted((folder / "train" / "cat").iterdir()), *sorted((folder / "train" / "dog").iterdir())]
    return dict(zip((path.name for path in files), images, strict=True))


def test_images_are_stretched_as_pillow_does_it(tmp_path: Path) -> None:
    paths = photos(tmp_path)[: len(SIZES)]
    found = read(tmp_path, STRETCH)
    for path in paths:
        expected = Image.open(path).convert("RGB").resize((16, 16), Image.Resampling.BILINEAR)
        assert np.array_equal(found[path.name], np.asarray(expected)), path


def test_the_middle_is_that_of_torchvision(tmp_path: Path) -> None:
    paths = photos(tmp_path)[: len(SIZES)]
    theirs = v2.Compose([v2.Resize(18), v2.CenterCrop(16)])
    found = read(tmp_path, CROP)
    for path in paths:
        assert np.array_equal(found[path.name], np.asarray(theirs(Image.open(path)))), path


def test_bars_are_black_and_proportions_stay(tmp_path: Path) -> None:
    paths = photos(tmp_path)[: len(SIZES)]
    found = read(tmp_path, LETTERBOX)
    for path in paths:
        expected = ImageOps.pad(Image.open(path), (16, 16), Image.Resampling.BILINEAR, "black")
        assert np.array_equal(found[path.name], np.asarray(expected)), path


@pytest.mark.parametrize("fitting", [STRETCH, CROP, LETTERBOX])
def test_predictions_see_what_training_saw(tmp_path: Path, fitting: Fitting) -> None:
    paths = photos(tmp_path)[: len(SIZES)]
    found = read(tmp_path, fitting)
    for path in paths:
        seen = read_picture(path, channels=3, size=16, fitting=fitting)
        assert np.array_equal(seen.pixels, found[path.name])
        assert seen.notes == ()


@pytest.mark.parametrize("fitting", [STRETCH, CROP, LETTERBOX])
@pytest.mark.parametrize("shape", [(40, 40), (24, 50), (50, 9)])
def test_batches_are_fitted_as_files_are(fitting: Fitting, shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected = np.asarray(fitting.of_image(Image.fromarray(pixels)))
    found = fit(torch.from_numpy(pixels).permute(2, 0, 1)[None].float(), fitting)[0].permute(1, 2, 0)
    assert np.abs(found.numpy() - expected).max() <= 1


def test_options_that_do_not_go_together_are_refused() -> None:
    assert Resize(shorter=72, crop=64).fitting == Fitting("crop", 64, 72)
    assert Resize(shorter=72).fitting == Fitting("crop", 72, 72)
    assert Letterbox(size=9).shape(3, 40) == (3, 9)
    for options in (
        {},
        {"size": 64, "crop": 64},
        {"shorter": 64, "crop": 72},
        {"crop": 64},
        {"size": 64, "shorter": 9},
    ):
        with pytest.raises(InputError, match="give `size` alone, or `shorter`, with a `crop` of at most that"):
            Resize(**options)


def test_older_configurations_of_resize_stay_the_same() -> None:
    plain = read_choice("augmentation", {"name": "resize", "size": 64})
    assert plain.model_dump(mode="json") == plain.identity == {"name": "resize", "size": 64}
    cropped = read_choice("augmentation", {"name": "resize", "shorter": 72, "crop": 64})
    assert cropped.identity == {"name": "resize", "size": None, "shorter": 72, "crop": 64}


def test_the_step_that_fits_comes_before_what_needs_one_size() -> None:
    resize, flip, gray = (
        read_choice("augmentation", step) for step in ({"name": "resize", "size": 64}, "flip", "grayscale")
    )
    assert [fitting_place(steps) for steps in ([resize, flip], [gray, resize], [flip, resize], [])] == [
        0,
        1,
        None,
        None,
    ]
    assert fitting_of([gray, resize]) == Fitting("stretch", 64)


def build(folder: Path, fitting: Fitting | None) -> DataSet:
    return image_folder("pets", [folder], fitting, validation=0.2)


def test_what_was_decoded_serves_again_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNJOBS_CACHE", str(tmp_path / "cache"))
    photos(tmp_path / "pets")
    first, other = build(tmp_path, STRETCH), build(tmp_path, Fitting("stretch", 8))
    assert (first.are_fitted, first.image_size, other.image_size) == (True, 16, 8)
    assert first.sha256 == other.sha256
    monkeypatch.setattr("cnnjobs.components.data.reading.decode", None)
    again = build(tmp_path, STRETCH)
    assert again.are_fitted
    assert np.array_equal(again.test.images, first.test.images)


def test_images_of_one_square_size_are_decoded_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that runs of earlier versions go on with the same pixels."""
    monkeypatch.setenv("CNNJOBS_CACHE", str(tmp_path / "cache"))
    for path in photos(tmp_path / "pets"):
        Image.new("RGB", (24, 24), (9, 8, 7)).save(path)
    for fitting in (STRETCH, None):
        data = build(tmp_path, fitting)
        assert (data.are_fitted, data.image_size) == (False, 24)
