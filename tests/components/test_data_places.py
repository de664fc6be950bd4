from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnjobs.components.data.datasets import data_folders, find_data
from cnnjobs.components.files import places
from cnnjobs.components.files.places import CIFAR_BATCHES, IDX_FILES, Place, place_of
from cnnjobs.errors import DataError

IDX = "the files train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte"
SPLITS = "the folders train and test, one folder of images per class in each"
FETCH = "fetch it with: cnnjobs fetch {}"
KNOWN = "cifar10, cifar100, emnist, fashion_mnist, fashion_mnist_mini, kmnist, mnist"
NAME_FOLDER = "name the folder that holds it with --data-dir or CNNJOBS_DATA"


@pytest.fixture(autouse=True)
def _no_debian_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "DEBIAN_FASHION_MNIST", tmp_path / "debian")


def failure(name: str, *folders: Path) -> str:
    with pytest.raises(DataError) as raised:
        find_data(name, folders)
    return str(raised.value)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_idx_files_are_found_where_torchvision_puts_them(
    tmp_path: Path, write_idx: Callable[..., Path], packed: bool
) -> None:
    raw = write_idx(tmp_path / "data" / "MNIST" / "raw", packed=packed)
    for folder in (tmp_path / "data", tmp_path / "data" / "MNIST", raw):
        assert place_of("mnist", [tmp_path / "other", folder]) == Place("mnist", raw, "idx")


def test_files_of_mnist_are_not_taken_for_fashion_mnist(tmp_path: Path, write_idx: Callable[..., Path]) -> None:
    raw = write_idx(tmp_path / "MNIST" / "raw")
    with pytest.raises(DataError):
        find_data("fashion_mnist", [raw])


def test_debian_package_is_the_last_place_for_fashion_mnist(tmp_path: Path, write_idx: Callable[..., Path]) -> None:
    debian = write_idx(places.DEBIAN_FASHION_MNIST, packed=True)
    assert find_data("fashion_mnist", [tmp_path]) == debian
    own = write_idx(tmp_path / "FashionMNIST" / "raw")
    assert find_data("fashion_mnist", [tmp_path]) == own


def test_cifar10_is_found_as_images_and_as_batches(tmp_path: Path, write_images: Callable[..., Path]) -> None:
    batches = tmp_path / "cifar-10-batches-py"
    batches.mkdir()
    for name in CIFAR_BATCHES:
        (batches / name).touch()
    assert place_of("cifar10", [tmp_path]) == Place("cifar10", batches, "cifar10")
    images = write_images(tmp_path / "cifar10")
    assert place_of("cifar10", [tmp_path]) == Place("cifar10", images, "image_folder")
    assert place_of("cifar10", [images]) == Place("cifar10", images, "image_folder")


def test_all_others_are_found_where_torchvision_puts_them(tmp_path: Path) -> None:
    below = {
        "cifar100": ("cifar-100-python/train", "cifar-100-python/test"),
        "emnist": tuple(
            f"EMNIST/raw/emnist-letters-{split}-{kind}-ubyte.gz"
            for split in ("train", "test")
            for kind in ("images-idx3", "labels-idx1")
        ),
        "kmnist": tuple(f"KMNIST/raw/{name}" for name in IDX_FILES),
        "stl10": tuple(f"stl10_binary/{name}.bin" for name in ("train_X", "train_y", "test_X", "test_y")),
        "svhn": ("train_32x32.mat", "test_32x32.mat"),
    }
    for name, files in below.items():
        for file in files:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).touch()
        place = place_of(name, [tmp_path], split="letters")
        assert place.files == tuple(tmp_path / file for file in files)
        assert find_data(name, [tmp_path], {"split": "letters"}) == place.path


def test_split_of_emnist_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        find_data("emnist", [tmp_path], {"split": "digits"})
    assert str(raised.value).splitlines()[0] == (
        "data set `emnist` was not found; looked for the files emnist-digits-train-images-idx3-ubyte, "
        "emnist-digits-train-labels-idx1-ubyte, emnist-digits-test-images-idx3-ubyte, "
        "emnist-digits-test-labels-idx1-ubyte, each with or without .gz, in"
    )


def test_any_other_name_is_a_folder_of_images(tmp_path: Path, write_images: Callable[..., Path]) -> None:
    pets = write_images(tmp_path / "second" / "pets")
    assert place_of("pets", [tmp_path / "first", tmp_path / "second"]) == Place("pets", pets, "image_folder")


def test_bundled_data_need_no_folder() -> None:
    assert find_data("fashion_mnist_mini", []) == places.BUNDLED / "fashion_mnist_mini"


def test_import_paths_look_for_themselves() -> None:
    assert find_data("mine:Pets", []) is None


def test_missing_mnist_names_places_and_command(tmp_path: Path) -> None:
    (tmp_path / "b" / "MNIST" / "raw").mkdir(parents=True)
    (tmp_path / "b" / "MNIST" / "raw" / "train-images-idx3-ubyte.gz").touch()
    missing = "no train-labels-idx1-ubyte, no t10k-images-idx3-ubyte, no t10k-labels-idx1-ubyte"
    assert failure("mnist", tmp_path / "a", tmp_path / "b").splitlines() == [
        f"data set `mnist` was not found; looked for {IDX}, each with or without .gz, in",
        f"  {tmp_path}/a/MNIST/raw (no such folder)",
        f"  {tmp_path}/b/MNIST/raw ({missing})",
        FETCH.format("mnist"),
        f"or {NAME_FOLDER}",
    ]


def test_missing_fashion_mnist_names_the_debian_package(tmp_path: Path) -> None:
    assert failure("fashion_mnist", tmp_path).splitlines()[1:] == [
        f"  {tmp_path}/FashionMNIST/raw (no such folder)",
        f"  {tmp_path}/debian (no such folder)",
        FETCH.format("fashion_mnist"),
        "or, on Debian and Ubuntu, with: apt-get install dataset-fashion-mnist",
        f"or {NAME_FOLDER}",
    ]


def test_missing_cifar10_names_both_layouts(tmp_path: Path) -> None:
    (tmp_path / "cifar10" / "train").mkdir(parents=True)
    looked_for = f"{SPLITS}, or the files data_batch_1, ..., data_batch_5, test_batch"
    assert failure("cifar10", tmp_path).splitlines() == [
        f"data set `cifar10` was not found; looked for {looked_for}, in",
        f"  {tmp_path}/cifar10 (no test)",
        f"  {tmp_path}/cifar-10-batches-py (no such folder)",
        FETCH.format("cifar10"),
        f"or {NAME_FOLDER}",
    ]


def test_unknown_name_suggests_known_ones_and_folders_that_exist(
    tmp_path: Path, write_images: Callable[..., Path]
) -> None:
    write_images(tmp_path / "pets")
    known = f"did you mean `pets`? allowed: {KNOWN}, pets, stl10, svhn"
    headline = f"no data set is called `pet`; {known}, or a folder of images by its name"
    assert failure("pet", tmp_path).splitlines() == [
        f"{headline}; looked for {SPLITS}, in",
        f"  {tmp_path}/pet (no such folder)",
        NAME_FOLDER,
    ]
    assert "did you mean `cifar10`?" in failure("cifar-10")


def test_unfinished_folder_of_images_is_named(tmp_path: Path) -> None:
    (tmp_path / "pets" / "test").mkdir(parents=True)
    assert f"  {tmp_path}/pets (no train)" in failure("pets", tmp_path)


@pytest.mark.parametrize(
    ("below", "told"),
    [
        (("train", "val"), "no test, `val` holds no image"),
        (("Train", "Test"), "no train, no test, rename `Test` to test"),
        (("training", "test"), "no train, rename `training` to train"),
        (("pets/train", "pets/test"), "no train, no test, train and test lie in `pets`: move them up"),
        (
            ("cat", "dog", ".git"),
            "no train, no test, it holds `cat`, `dog`, without images: put those of each class into its folder",
        ),
        (("train",), "no test"),
    ],
)
def test_a_folder_that_lies_otherwise_is_told_what_to_do(tmp_path: Path, below: tuple[str, ...], told: str) -> None:
    for each in below:
        (tmp_path / "pets" / each).mkdir(parents=True)
    assert failure("pets", tmp_path).splitlines() == [
        f"data set `pets` is not complete; looked for {SPLITS}, in",
        f"  {tmp_path}/pets ({told})",
        NAME_FOLDER,
    ]


def test_folders_are_searched_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CNNJOBS_DATA", "from_environment")
    found = data_folders(Path("given"), Path("/of/profile"))
    assert found == (tmp_path / "given", tmp_path / "from_environment", Path("/of/profile"), tmp_path / "data")
    monkeypatch.delenv("CNNJOBS_DATA")
    assert data_folders(None, None) == (tmp_path / "data",)
    assert data_folders(Path("data"), None) == (tmp_path / "data",)


def test_looking_loads_nothing_heavy() -> None:
    program = (
        "import sys; from cnnjobs.components.data.datasets import find_data; find_data('fashion_mnist_mini', [])\n"
        "assert not {'torch', 'numpy', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
