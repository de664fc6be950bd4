from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from cnnjobs.components.data.datasets import DataSet, image_folder
from cnnjobs.components.data.surveys import survey
from cnnjobs.components.files.places import image_folders, place_of
from cnnjobs.errors import DataError

OPTIONS = {"validation": 0.0, "split_seed": 0, "subset": None}


@pytest.fixture
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with twelve images that are told apart by their shade, and no folders of classes."""
    monkeypatch.setenv("CNNJOBS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "pets" / "images").mkdir(parents=True)
    for shade in range(12):
        Image.new("L", (4, 4), shade).save(tmp_path / "pets" / "images" / f"{shade:02}.png")
    return tmp_path / "pets"


def build(pets: Path) -> DataSet:
    return image_folder("pets", [pets.parent], validation=0.0)


def seen(data: DataSet) -> dict[str, dict[int, str]]:
    """Split -> shade -> class."""
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    return {
        name: {
            int(image[0, 0, 0]): data.classes[label]
            for image, label in zip(split.take(slice(None)), split.labels.tolist(), strict=True)
        }
        for name, split in splits.items()
    }


def failure(pets: Path) -> str:
    with pytest.raises(DataError) as raised:
        survey(place_of("pets", [pets.parent]), OPTIONS)
    return str(raised.value)


def rows() -> list[dict[str, str]]:
    splits = ["train"] * 6 + ["val"] * 2 + ["test"] * 4
    return [
        {"file": f"images/{shade:02}.png", "label": "cat" if shade % 2 else "wild dog", "split": split}
        for shade, split in enumerate(splits)
    ]


def write(path: Path, separator: str = ",", *, with_splits: bool = True) -> None:
    keys = ["file", "label", "split"][: 3 if with_splits else 2]
    lines = [separator.join(keys), *(separator.join(row[key] for key in keys) for row in rows())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")


@pytest.mark.parametrize("kind", ["labels.csv", "labels.csv ;", "metadata.tsv", "labels.json", "metadata.jsonl"])
def test_a_table_tells_classes_and_splits(pets: Path, kind: str) -> None:
    name, _, separator = kind.partition(" ")
    if name.endswith("sv"):
        write(pets / name, separator or ("\t" if name.endswith(".tsv") else ","))
    else:
        texts = [json.dumps(row) for row in rows()]
        (pets / name).write_text("\n".join(texts) if name.endswith("l") else f"[{', '.join(texts)}]")
    assert image_folders(pets.parent) == ["pets"]
    data = image_folder("pets", [pets.parent])
    assert data.classes == ("cat", "wild dog")
    found = seen(data)
    assert {split: sorted(shades) for split, shades in found.items()} == {
        "train": [0, 1, 2, 3, 4, 5], "validation": [6, 7], "test": [8, 9, 10, 11],
    }  # fmt: skip
    assert all(name == ("cat" if shade % 2 else "wild dog") for each in found.values() for shade, name in each.items())
    assert data.notes == (f"{pets / name}: tells the labels",)


def test_without_splits_the_test_images_are_drawn(pets: Path) -> None:
    write(pets / "labels.csv", with_splits=False)
    data = build(pets)
    assert (len(data.train), len(data.test)) == (10, 2)
    told = "tells the labels; a fifth of each class are the test images, drawn by split_seed"
    assert data.notes == (f"{pets}/labels.csv: {told}",)


def test_a_json_mapping_and_numbers_as_labels_serve(pets: Path) -> None:
    labels = {f"images/{shade:02}.png": [10, 2, 0][shade % 3] for shade in range(12)}
    (pets / "labels.json").write_text(json.dumps(labels))
    data = build(pets)
    assert data.classes == ("0", "2", "10")
    assert seen(data)["train"].items() | seen(data)["test"].items() == {
        (shade, str(labels[f"images/{shade:02}.png"])) for shade in range(12)
    }


def test_a_table_for_each_split_serves_beside_its_images(pets: Path) -> None:
    (pets / "images").rename(pets / "train")
    (pets / "test").mkdir()
    for name, chosen in (("train.csv", range(8)), ("test.csv", range(8, 12))):
        lines = [f"train/{shade:02}.png,{'cat' if shade % 2 else 'dog'}" for shade in chosen]
        (pets / name).write_text("\n".join(["path,class", *lines]))
    data = build(pets)
    assert (len(data.train), sorted(seen(data)["test"])) == (8, [8, 9, 10, 11])
    assert data.notes == (f"{pets}/train.csv: tells the labels; so is test.csv",)


def test_folders_of_classes_in_train_come_before_a_table(pets: Path) -> None:
    write(pets / "labels.csv")
    for split in ("train", "test"):
        (pets / split / "all").mkdir(parents=True)
        Image.new("L", (4, 4)).save(pets / split / "all" / "0.png")
    assert build(pets).classes == ("all",)


def test_other_labels_are_other_data(pets: Path) -> None:
    write(pets / "labels.csv")
    before = build(pets)
    table = (pets / "labels.csv").read_text(encoding="utf-8")
    (pets / "labels.csv").write_text(table.replace("05.png,cat", "05.png,wild dog"), encoding="utf-8")
    after = build(pets)
    assert (seen(before)["train"][5], seen(after)["train"][5]) == ("cat", "wild dog")
    assert before.sha256 != after.sha256


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("file,", "picture,", "labels.csv:2: no column `path` among picture, label, split"),
        ("00.png", "99.png", "labels.csv:2: {pets}/images/99.png: there is no such file"),
        ("01.png,cat", "01.png,", "labels.csv:3: 01.png has no label; give one or remove the line"),
        ("04.png,wild dog,train", "04.png,wild dog,trian", "labels.csv:6: found split `trian`; allowed: train, valid"),
        (
            "01.png,cat",
            "00.png,cat",
            "labels.csv:3: {pets}/images/00.png is there twice, as train wild dog and as train",
        ),
        ("01.png,cat", "01.png,cat,black", "labels.csv:3: has more fields than the heading"),
        ("08.png,wild dog", "08.png,emu", "and `test` of labels.csv must hold the same classes; found `emu`"),
        (",train", ",test", "labels.csv: has no training images"),
    ],
)
def test_faults_are_told_by_line(pets: Path, old: str, new: str, told: str) -> None:
    write(pets / "labels.csv")
    table = (pets / "labels.csv").read_text(encoding="utf-8")
    assert old in table
    (pets / "labels.csv").write_text(table.replace(old, new), encoding="utf-8")
    assert told.replace("{pets}", str(pets)) in failure(pets)


def test_all_faults_are_counted_and_a_few_told(pets: Path) -> None:
    write(pets / "labels.csv")
    table = (pets / "labels.csv").read_text(encoding="utf-8")
    (pets / "labels.csv").write_text(table.replace("images/", "photos/"), encoding="utf-8")
    lines = failure(pets).splitlines()
    assert (len(lines), lines[-1]) == (6, "and 7 more")


@pytest.mark.parametrize(("name", "text"), [("labels.json", "{"), ("labels.jsonl", "[1]"), ("labels.csv", "")])
def test_tables_that_are_none_are_refused(pets: Path, name: str, text: str) -> None:
    (pets / name).write_text(text)
    assert failure(pets).startswith(f"{pets / name}:")
