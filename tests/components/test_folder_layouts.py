"""Where the images of a folder lie, and which of them a run is trained, validated and tested on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnjobs.components.data.datasets import DataSet, image_folder
from cnnjobs.components.data.splits import Split
from cnnjobs.components.data.splitting import draw_by_class
from cnnjobs.components.data.surveys import survey
from cnnjobs.components.files.places import place_of
from cnnjobs.errors import DataError

OPTIONS = {"validation": 0.1, "split_seed": 0, "subset": None}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNJOBS_CACHE", str(tmp_path / "cache"))


def write(folder: Path, shades: range, name: str = "{:03}.png") -> None:
    """Images that are told apart by their shade."""
    folder.mkdir(parents=True, exist_ok=True)
    for shade in shades:
        Image.new("L", (4, 4), shade).save(folder / name.format(shade))


def build(folder: Path, **options: object) -> DataSet:
    return image_folder("pets", [folder], **options)  # type: ignore[arg-type]


def shades(split: Split) -> list[int]:
    return sorted(split.take(slice(None))[:, 0, 0, 0].tolist())


def notes(folder: Path) -> tuple[str, ...]:
    found = survey(place_of("pets", [folder]), OPTIONS)[0].notes
    assert found == build(folder).notes
    return found


def failure(folder: Path) -> str:
    with pytest.raises(DataError) as raised:
        survey(place_of("pets", [folder]), OPTIONS)
    return str(raised.value)


@pytest.mark.parametrize("name", ["val", "validation", "dev"])
def test_own_validation_images_are_those_of_a_run(tmp_path: Path, name: str) -> None:
    for start, split, count in ((0, "train", 6), (20, name, 3), (40, "test", 2)):
        write(tmp_path / "pets" / split / "cat", range(start, start + count))
        write(tmp_path / "pets" / split / "dog", range(start + 10, start + 10 + count))
    data = build(tmp_path)
    assert shades(data.validation) == [20, 21, 22, 30, 31, 32]
    assert Counter(data.validation.labels.tolist()) == {0: 3, 1: 3}
    assert (len(data.train), shades(data.test)) == (12, [40, 41, 50, 51])
    assert data.mean == pytest.approx([np.mean([*range(6), *range(10, 16)]) / 255])
    told = "holds the validation images, none are drawn from train (validation: 0 for none)"
    assert notes(tmp_path) == (f"{tmp_path}/pets/{name}: {told}",)
    assert len(build(tmp_path, validation=0.0).validation) == 0
    assert survey(place_of("pets", [tmp_path]), OPTIONS)[1] == {"train": 12, "validation": 6, "test": 4}
    assert len(build(tmp_path, subset={"validation": 4}).validation) == 4


def test_validation_may_lack_classes_but_have_no_others(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write(tmp_path / "pets" / split / "cat", range(3))
        write(tmp_path / "pets" / split / "dog", range(3, 6))
    write(tmp_path / "pets" / "val" / "dog", range(6, 8))
    assert build(tmp_path).validation.labels.tolist() == [1, 1]
    write(tmp_path / "pets" / "val" / "emu", range(2))
    assert failure(tmp_path) == f"{tmp_path}/pets/val: holds classes that train has not: `emu`"


def test_without_test_images_those_held_out_are_the_test(tmp_path: Path) -> None:
    write(tmp_path / "pets" / "train" / "cat", range(10))
    write(tmp_path / "pets" / "train" / "dog", range(20, 30))
    write(tmp_path / "pets" / "val" / "cat", range(10, 13))
    write(tmp_path / "pets" / "val" / "dog", range(13, 14))
    data = build(tmp_path)
    assert (shades(data.test), len(data.validation), len(data.train)) == ([10, 11, 12, 13], 2, 18)
    assert notes(tmp_path)[0] == f"{tmp_path}/pets/val: holds the test images; validation images are drawn from train"


def test_one_folder_of_classes_is_split_by_seed_and_class(tmp_path: Path) -> None:
    write(tmp_path / "pets" / "cat", range(50))
    write(tmp_path / "pets" / "dog", range(100, 120))
    data = build(tmp_path)
    splits = (data.train, data.validation, data.test)
    assert sorted(shade for split in splits for shade in shades(split)) == [*range(50), *range(100, 120)]
    assert [np.bincount(split.labels).tolist() for split in splits] == [[36, 14], [4, 2], [10, 4]]
    again, other = build(tmp_path), build(tmp_path, split_seed=1)
    assert shades(again.test) == shades(data.test) != shades(other.test)
    assert survey(place_of("pets", [tmp_path]), OPTIONS)[1] == {"train": 50, "validation": 6, "test": 14}
    told = "holds no train and test: a fifth of each class are the test images, drawn by split_seed"
    assert notes(tmp_path) == (f"{tmp_path}/pets: {told}",)
    small = build(tmp_path, subset={"train": 20, "test": 4})
    assert [len(small.train), len(small.validation), len(small.test)] == [20, 6, 4]


def test_a_class_of_one_image_is_told_and_trained_on(tmp_path: Path) -> None:
    write(tmp_path / "pets" / "cat", range(2))
    write(tmp_path / "pets" / "dog", range(100, 120))
    write(tmp_path / "pets" / "emu", range(200, 201))
    data = build(tmp_path, validation=0.0)
    assert np.bincount(data.test.labels).tolist() == [1, 4]
    assert 200 in shades(data.train)
    told = "1 class has one image to train on, `emu`: once it is drawn for validation, none is left"
    assert notes(tmp_path)[1] == f"{tmp_path}/pets: {told}"


def test_nothing_to_test_on_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "pets" / "cat", range(1))
    write(tmp_path / "pets" / "dog", range(1))
    assert "no class has two images: no test images can be drawn" in failure(tmp_path)


def test_shares_of_classes_are_as_even_as_numbers_allow() -> None:
    labels = np.repeat(np.arange(4), [7, 70, 23, 1])
    drawn = draw_by_class(labels, np.arange(len(labels)), 0.2, [0, 4])
    assert np.bincount(labels[drawn], minlength=4).tolist() == [1, 14, 5, 0]
    assert len(draw_by_class(labels, np.arange(len(labels)), 0.0, [0, 4])) == 0


def test_images_below_the_folder_of_a_class_belong_to_it(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write(tmp_path / "pets" / split / "cat" / "2024" / "may", range(2))
        write(tmp_path / "pets" / split / "cat" / ".thumbnails", range(9))
        write(tmp_path / "pets" / split / "cat" / "@eaDir", range(9))
        write(tmp_path / "pets" / split / "cat", range(5, 7))
        write(tmp_path / "pets" / split / "dog", range(10, 12))
    (tmp_path / "pets" / "train" / "cat" / "again").symlink_to(tmp_path / "pets" / "train" / "cat")
    (tmp_path / "pets" / "train" / "cat" / "2024" / "may" / "notes.txt").touch()
    data = build(tmp_path, validation=0.0)
    assert (shades(data.train), data.train.labels.tolist()) == ([0, 1, 5, 6, 10, 11], [0, 0, 0, 0, 1, 1])
    (told,) = notes(tmp_path)
    assert "4 files are not images and were passed over (3 folders, 1 .txt)" in told


def test_a_link_to_a_folder_elsewhere_is_followed(tmp_path: Path) -> None:
    write(tmp_path / "photos", range(6))
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    (tmp_path / "pets" / "cat" / "linked").symlink_to(tmp_path / "photos")
    write(tmp_path / "pets" / "dog", range(10, 16))
    assert len(build(tmp_path).train) == 9


def test_loose_images_and_folders_without_any_are_told(tmp_path: Path) -> None:
    write(tmp_path / "pets", range(3))
    with pytest.raises(DataError, match="its images lie in no folder of a class: make one for each"):
        build(tmp_path)
    (tmp_path / "pets" / "cat").mkdir()
    with pytest.raises(DataError, match="it holds `cat`, without images: put those of each class into its folder"):
        build(tmp_path)
