"""`cnnjobs data`, on the bundled images and small sets made here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnjobs.components.files import places

Call = Callable[..., tuple[int, str, str]]
MINI = places.BUNDLED / "fashion_mnist_mini"


@pytest.fixture(autouse=True)
def _nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "DEBIAN_FASHION_MNIST", tmp_path / "debian")
    monkeypatch.delenv("CNNJOBS_DATA", raising=False)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """30 + 4 images of cats, 3 + 2 of dogs."""
    draws = np.random.default_rng(0)
    for split, name, count in (("train", "cat", 30), ("train", "dog", 3), ("test", "cat", 4), ("test", "dog", 2)):
        folder = tmp_path / "data" / "pets" / split / name
        folder.mkdir(parents=True)
        for number in range(count):
            Image.fromarray(draws.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / f"{number:02}.png")
    return tmp_path / "data" / "pets"


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_list_tells_what_is_here_and_how_to_fetch_the_rest(call: Call, tmp_path: Path, pets: Path) -> None:
    code, out, err = call("data")
    assert (code, err) == (0, "")
    looked, heading, mini, own, missing = rows(out)
    assert looked == ["looked", "in", str(tmp_path / "data")]
    assert heading[:3] == ["data", "set", "train"]
    size = sum(path.stat().st_size for path in MINI.glob("*.gz")) / 1e6
    assert mini == [
        "fashion_mnist_mini", "6,000", "1,000", "28×28", "gray", "10", "600", "each", f"{size:.1f}", "MB", str(MINI),
    ]  # fmt: skip
    assert own[:9] == ["pets", "33", "6", "8×8", "colour", "2", "3", "to", "30"]
    assert own[-1] == str(pets)
    told = " ".join(missing)
    assert told.startswith("not here: cifar10 (170.5 MB), cifar100 (169.0 MB), svhn (246.3 MB), ")
    assert told.endswith("; fetch one with: cnnjobs fetch cifar10")


def test_data_set_that_is_damaged_is_told_with_the_others(call: Call, pets: Path) -> None:
    (pets / "test" / "bird").mkdir()
    code, out, err = call("data")
    assert code == 2
    assert "fashion_mnist_mini" in out
    assert err.startswith(f"error: pets: {pets / 'test' / 'bird'}: holds no image; ")


def test_one_data_set_is_told_class_by_class_and_drawn(call: Call, tmp_path: Path, pets: Path) -> None:
    code, out, _ = call("data", "pets")
    assert code == 0
    title, place, size, sizes, modes, mean, _, *table, picture = rows(out)
    assert " ".join(title) == "pets: 8×8 colour, 2 classes"
    assert place == ["place", str(pets)]
    assert size[2] == "kB"
    assert (sizes, modes) == (["sizes", "8×8,", "all"], ["modes", "39", "RGB"])
    assert len(mean) == 4
    assert table == [
        ["class", "train", "validation", "test"],
        ["cat", "27", "3", "4"],
        ["dog", "3", "0", "2"],
        ["all", "30", "3", "6"],
    ]
    assert picture == ["picture:", "pets-samples.png"]
    with Image.open(tmp_path / "pets-samples.png") as drawn:
        assert drawn.size[0] > 1000
    before = (tmp_path / "pets-samples.png").read_bytes()
    code, out, _ = call("data", "pets")
    assert out.splitlines()[-1] == "picture: pets-samples.png (was there already)"
    (tmp_path / "pets-samples.png").write_bytes(b"mine")
    code, _, err = call("data", "pets")
    assert (code, (tmp_path / "pets-samples.png").read_bytes()) == (2, b"mine")
    assert err.splitlines()[-1].startswith("error: pets-samples.png exists already and stays as it is; ")
    code, _, _ = call("data", "pets", "--picture", "other.png")
    assert (code, (tmp_path / "other.png").read_bytes()) == (0, before)


def test_options_of_a_data_set_change_its_splits(call: Call, tmp_path: Path) -> None:
    code, out, _ = call("data", "{name: fashion_mnist_mini, subset: 20, validation: 0.5}", "--picture", "mini.svg")
    assert code == 0
    assert ["all", "20", "3,000", "1,000"] in rows(out)
    assert "<svg" in (tmp_path / "mini.svg").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["cifar"], "no data set is called `cifar`; did you mean `cifar10`?"),
        (["kmnist"], "data set `kmnist` was not found; looked for the files train-images-idx3-ubyte"),
        (["{name: emnist, split: capitals}"], "dataset.split: "),
        (["{name: emnist"], "{name: emnist cannot be read as YAML"),
        (["fashion_mnist_mini", "--picture", "a.jpg"], "--picture a.jpg: the name of a figure ends with .png or .svg"),
        (["--picture", "a.png"], "--picture a.png: name the data set too: cnnjobs data NAME --picture a.png"),
        (["--data-dir", "nowhere"], "--data-dir nowhere: no such folder"),
    ],
)
def test_wrong_words_are_answered(call: Call, words: list[str], told: str, tmp_path: Path) -> None:
    code, _, err = call("data", *words)
    assert code == 2
    assert err.startswith(f"error: {told}")
    assert not list(tmp_path.glob("*.*"))


def test_listing_loads_neither_torch_nor_matplotlib(call: Call, pets: Path) -> None:
    program = (
        "import sys; from cnnjobs.cli.main import run\n"
        "sys.argv = ['cnnjobs', 'data']\n"
        "try: run()\n"
        "except SystemExit as stop: assert not stop.code\n"
        "assert not {'torch', 'torchvision', 'matplotlib', 'pandas'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=pets.parent.parent, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
