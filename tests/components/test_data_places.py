from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnjobs.components import data_places
from cnnjobs.components.data_places import CIFAR_BATCHES, Place, place_of
from cnnjobs.components.datasets import data_folders, find_data
from cnnjobs.errors import DataError

IDX = "the files train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte"
SPLITS = "the folders train and test, one folder of images per class in each"
FETCH = "fetch it into ./data with: python -c \"import torchvision; torchvision.datasets.{}('data', download=True)\""
NAME_FOLDER = "name the folder that holds it with --data-dir or CNNJOBS_DATA"


@pytest.fixture(autouse=True)
def _no_debian_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_places, "DEBIAN_FASHION_MNIST", tmp_path / "debian")


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
        assert place_of("mnist", [tmp_path / "other", folder]) == Place(raw, "idx")


def test_files_of_mnist_are_not_taken_for_fashion_mnist(tmp_path: Path, write_idx: Callable[..., Path]) -> None:
    raw = write_idx(tmp_path / "MNIST" / "raw")
    with pytest.raises(DataError):
        find_data("fashion_mnist", [raw])


def test_debian_package_is_the_last_place_for_fashion_mnist(tmp_path: Path, write_idx: Callable[..., Path]) -> None:
    debian = write_idx(data_places.DEBIAN_FASHION_MNIST, packed=True)
    assert find_data("fashion_mnist", [tmp_path]) == debian
    own = write_idx(tmp_path / "FashionMNIST" / "raw")
    assert find_data("fashion_mnist", [tmp_path]) == own


def test_cifar10_is_found_as_images_and_as_batches(tmp_path: Path, write_images: Callable[..., Path]) -> None:
    batches = tmp_path / "cifar-10-batches-py"
    batches.mkdir()
    for name in CIFAR_BATCHES:
        (batches / name).touch()
    assert place_of("cifar10", [tmp_path]) == Place(batches, "cifar_batches")
    images = write_images(tmp_path / "cifar10")
    assert place_of("cifar10", [tmp_path]) == Place(images, "image_folder")
    assert place_of("cifar10", [images]) == Place(images, "image_folder")


def test_any_other_name_is_a_folder_of_images(tmp_path: Path, write_images: Callable[..., Path]) -> None:
    pets = write_images(tmp_path / "second" / "pets")
    assert place_of("pets", [tmp_path / "first", tmp_path / "second"]) == Place(pets, "image_folder")


def test_bundled_data_need_no_folder() -> None:
    assert find_data("fashion_mnist_mini", []) == data_places.BUNDLED / "fashion_mnist_mini"


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
        FETCH.format("MNIST"),
        f"or {NAME_FOLDER}",
    ]


def test_missing_fashion_mnist_names_the_debian_package(tmp_path: Path) -> None:
    assert failure("fashion_mnist", tmp_path).splitlines()[1:] == [
        f"  {tmp_path}/FashionMNIST/raw (no such folder)",
        f"  {tmp_path}/debian (no such folder)",
        FETCH.format("FashionMNIST"),
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
        FETCH.format("CIFAR10"),
        f"or {NAME_FOLDER}",
    ]


def test_unknown_name_suggests_known_ones_and_folders_that_exist(
    tmp_path: Path, write_images: Callable[..., Path]
) -> None:
    write_images(tmp_path / "pets")
    known = "did you mean `pets`? allowed: cifar10, fashion_mnist, fashion_mnist_mini, mnist, pets"
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
        "import sys; from cnnjobs.components.datasets import find_data; find_data('fashion_mnist_mini', [])\n"
        "assert not {'torch', 'numpy', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
