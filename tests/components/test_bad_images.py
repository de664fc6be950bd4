"""Images that cannot be read: named, or left out where the data set says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnjobs.components.data import cache
from cnnjobs.components.data.datasets import DataSet, image_folder, remember_data
from cnnjobs.components.data.decoding import channel_statistics
from cnnjobs.components.data.surveys import survey
from cnnjobs.components.files import image_folders
from cnnjobs.components.files.fitting import Fitting
from cnnjobs.components.files.image_folders import read_splits
from cnnjobs.components.files.places import place_of
from cnnjobs.config.run import read_choice
from cnnjobs.errors import DataError

Writer = Callable[..., Path]
SKIP = {"validation": 0.1, "split_seed": 0, "subset": None, "on_bad_image": "skip"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_images: Writer) -> Path:
    """The folder of data sets, with `pets`: 8 + 4 images, two and one of which are bad."""
    monkeypatch.setenv("CNNJOBS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_ENTRIES", {})
    pets = write_images(tmp_path / "pets")
    (pets / "train" / "cat" / "1.png").write_bytes(b"")
    whole = (pets / "train" / "dog" / "0.png").read_bytes()
    (pets / "train" / "dog" / "0.png").write_bytes(whole[: len(whole) // 2])
    (pets / "test" / "dog" / "1.png").write_text("<html>404</html>")
    return tmp_path


def build(folder: Path, fitting: Fitting | None = None) -> DataSet:
    return image_folder("pets", [folder], fitting, validation=0.0, on_bad_image="skip")


@pytest.mark.parametrize("fitting", [None, Fitting("stretch", 5)])
def test_a_run_goes_on_without_bad_images_and_says_so(folder: Path, fitting: Fitting | None) -> None:
    pets = folder / "pets"
    if fitting:
        Image.new("RGB", (20, 9)).save(pets / "train" / "cat" / "0.png")
    data = build(folder, fitting)
    assert (data.train.labels.tolist(), data.test.labels.tolist()) == ([0, 0, 0, 1, 1, 1], [0, 0, 1])
    kept = [*(pets / "train" / "cat" / f"{name}.png" for name in (0, 2, 3))]
    for image, path in zip(data.train.images[:3], kept, strict=True):
        shown = Image.open(path)
        assert np.array_equal(image, np.asarray(fitting.of_image(shown) if fitting else shown))
    assert (data.mean, data.std) == tuple(map(pytest.approx, channel_statistics(data.train.images)))
    (note,) = data.notes
    assert note.startswith(f"{pets}: 3 images are left out of 12 (on_bad_image: skip): {pets}/train/cat/1.png: cannot")
    assert note.count("replace or remove it") == 3
    assert build(folder, fitting).notes == data.notes
    remember_data("pets", [folder], SKIP, fitting)
    again = build(folder, fitting)
    assert (again.notes, again.are_fitted) == (data.notes, fitting is not None)


def test_what_was_decoded_without_bad_images_is_no_excuse_later(folder: Path) -> None:
    build(folder)
    with pytest.raises(DataError, match="3 of 12 images cannot be used"):
        image_folder("pets", [folder])


def test_a_plan_tells_what_will_be_left_out(folder: Path) -> None:
    place = place_of("pets", [folder])
    found, sizes = survey(place, SKIP)
    heading, *lines = found.notes[0].splitlines()
    assert heading == f"{folder}/pets: 3 of 12 images cannot be used"
    assert (len(lines), lines[-1]) == (4, "  on_bad_image: skip leaves them out")
    assert sizes["test"] == 4
    with pytest.raises(DataError):
        survey(place, SKIP | {"on_bad_image": "stop"})


def test_a_class_that_is_bad_altogether_is_refused(folder: Path) -> None:
    for path in (folder / "pets" / "train" / "dog").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="no image of class `dog` can be read; mend some"):
        build(folder)
    for path in (folder / "pets" / "test").rglob("*.png"):
        path.write_bytes(b"")
    shutil.copy(folder / "pets" / "train" / "cat" / "0.png", folder / "pets" / "train" / "dog" / "0.png")
    with pytest.raises(DataError, match="no image of the test split can be read; mend some"):
        build(folder)


def test_bad_images_are_found_again_by_a_process_that_goes_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_folders, "_IMAGES_PER_TASK", 2)
    work = tmp_path / "work"
    work.mkdir()
    first = read_splits(folder / "pets", work, skip=True)
    again = read_splits(folder / "pets", work, skip=True)
    assert first.bad == again.bad
    assert [(each.split, each.row) for each in again.bad] == [("train", 1), ("train", 4), ("test", 3)]
    assert not again.images["train"][4].any()


def test_the_key_is_no_part_of_runs_that_do_without_it() -> None:
    plain = read_choice("dataset", "pets")
    assert read_choice("dataset", {"name": "pets", "on_bad_image": "stop"}) == plain
    assert "on_bad_image" not in plain.identity
    assert read_choice("dataset", {"name": "pets", "on_bad_image": "skip"}).identity["on_bad_image"] == "skip"
