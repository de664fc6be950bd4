from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from cnnjobs.components.files.image_facts import facts_of

Writer = Callable[..., Path]


def test_sizes_and_modes_are_counted(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    facts = facts_of(folder)
    assert (facts.sizes, facts.modes, facts.notes) == ("6×6, all", "12 RGB", ())
    Image.new("L", (9, 20)).save(folder / "train" / "cat" / "gray.png")
    Image.new("CMYK", (4, 4)).save(folder / "train" / "dog" / "print.jpg")
    facts = facts_of(folder)
    assert facts.sizes == "3 different ones, 4×4 to 9×20, median 6×6"
    assert facts.modes == "12 RGB, 1 L, 1 CMYK"


def test_images_that_are_trained_on_and_tested_on_are_named(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    one, other = folder / "train" / "cat" / "0.png", folder / "test" / "cat" / "copy.png"
    shutil.copy(one, other)
    told = "1 image is in test and train both, byte for byte: the metrics count what was trained on"
    assert facts_of(folder).notes == (f"{folder}: {told}\n  {one} = {other}",)
    for index in range(6):
        shutil.copy(folder / "train" / "dog" / "1.png", folder / "test" / "dog" / f"copy{index}.png")
        shutil.copy(folder / "train" / "cat" / "2.png", folder / "train" / "dog" / f"copy{index}.png")
    across, unclear = facts_of(folder).notes
    assert across.startswith(f"{folder}: 2 images are in test and train both")
    assert unclear.startswith(f"{folder}: 1 image is in several classes, byte for byte: one of them is wrong")


def test_doubles_of_a_folder_that_is_split_by_seed_are_named(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets") / "train"
    shutil.copy(folder / "cat" / "0.png", folder / "cat" / "copy.png")
    (note,) = facts_of(folder).notes
    assert "1 image is there more than once, byte for byte: they may be trained on and tested on" in note


def test_uneven_classes_are_told(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    for index in range(10):
        Image.new("RGB", (6, 6), (index, 0, 0)).save(folder / "train" / "dog" / f"more{index}.png")
    told = "14 training images of `dog`, 4 of `cat`: accuracy tells little of the rare ones"
    assert facts_of(folder).notes == (f"{folder}: its classes are of uneven size, {told}",)
