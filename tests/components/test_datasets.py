from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cnnjobs import registry
from cnnjobs.components import datasets
from cnnjobs.components.data_places import BUNDLED, place_of
from cnnjobs.components.datasets import CIFAR10_CLASSES, FASHION_CLASSES, DataSet, image_folder
from cnnjobs.components.decoding import channel_statistics, decode
from cnnjobs.errors import DataError

Writer = Callable[..., Path]


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNJOBS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return datasets.fashion_mnist_mini("fashion_mnist_mini", [])


def build(name: str, *folders: Path, **options: object) -> DataSet:
    component = registry.components("dataset").get(name) or registry.find("dataset", "image_folder")
    built: DataSet = component.build(given={"name": name, "folders": folders}, options=options)
    return built


def test_bundled_images_are_even_over_classes(mini: DataSet) -> None:
    train = np.concatenate([mini.train.labels, mini.validation.labels])
    assert np.bincount(train).tolist() == [600] * 10
    assert np.bincount(mini.test.labels).tolist() == [100] * 10
    assert (mini.in_channels, mini.image_size, mini.num_classes) == (1, 28, 10)
    assert mini.classes == FASHION_CLASSES


def test_bundled_images_are_the_original_ones(mini: DataSet) -> None:
    """None of the first 100 training images is left out for its class, so that they are those of the original file."""
    data = decode(place_of("fashion_mnist_mini", []), FASHION_CLASSES)
    assert data.train_labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert data.test_labels[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    digest = hashlib.sha256(data.train_images[:100].tobytes()).hexdigest()
    assert digest == "9fd5e05238929f78618002dd971c29d7154e418c5e6c5159dcbc48bead93a90f"
    seen = {image.tobytes() for image in data.train_images}
    assert not any(image.tobytes() in seen for image in data.test_images)


@pytest.mark.full_data
def test_bundled_images_are_the_first_of_each_class(full_data: Path) -> None:
    original = decode(place_of("fashion_mnist", [full_data]), FASHION_CLASSES)
    bundled = decode(place_of("fashion_mnist_mini", []), FASHION_CLASSES)
    for images, labels, own_images, own_labels in (
        (original.train_images, original.train_labels, bundled.train_images, bundled.train_labels),
        (original.test_images, original.test_labels, bundled.test_images, bundled.test_labels),
    ):
        for label in range(10):
            own = own_images[own_labels == label]
            assert np.array_equal(own, images[labels == label][: len(own)])


def test_bundled_files_are_small_and_carry_their_licence() -> None:
    files = list((BUNDLED / "fashion_mnist_mini").glob("*.gz"))
    assert len(files) == 4
    assert sum(path.stat().st_size for path in files) < 4_000_000
    assert "Copyright (c) 2017 Zalando SE" in (BUNDLED / "fashion_mnist_mini" / "LICENSE").read_text(encoding="utf-8")


def test_bundled_statistics_are_those_of_its_training_images(mini: DataSet) -> None:
    mean, std = channel_statistics(np.concatenate([mini.train.images, mini.validation.images]))
    assert mini.mean == pytest.approx(mean, abs=5e-5)
    assert mini.std == pytest.approx(std, abs=5e-5)


def test_validation_split_is_drawn_from_the_training_images(mini: DataSet) -> None:
    assert (len(mini.train), len(mini.validation), len(mini.test)) == (5400, 600, 1000)
    data = decode(place_of("fashion_mnist_mini", []), FASHION_CLASSES)
    together = np.concatenate([mini.train.images, mini.validation.images])
    assert sorted(image.tobytes() for image in together) == sorted(image.tobytes() for image in data.train_images)
    assert mini.train.images.dtype == np.uint8
    assert mini.validation.labels.dtype == np.int64
    pairs = {image.tobytes(): label for image, label in zip(data.train_images, data.train_labels, strict=True)}
    for split in (mini.train, mini.validation):
        assert all(pairs[image.tobytes()] == label for image, label in zip(split.images, split.labels, strict=True))


def test_split_depends_on_its_seed_alone(mini: DataSet) -> None:
    again, other = build("fashion_mnist_mini"), build("fashion_mnist_mini", split_seed=1)
    assert np.array_equal(again.validation.images, mini.validation.images)
    assert not np.array_equal(other.validation.labels, mini.validation.labels)
    assert mini.validation.labels[:12].tolist() == [1, 1, 7, 5, 4, 4, 7, 9, 8, 1, 6, 5]
    assert len(build("fashion_mnist_mini", split_seed=2**40).validation) == 600


def test_size_of_the_validation_split_is_chosen() -> None:
    assert len(build("fashion_mnist_mini", validation=0.25).validation) == 1500


@pytest.mark.parametrize(("validation", "taken"), [(0.0, 0), (1.0, 6000), (0.00001, 0)])
def test_both_splits_need_images(validation: float, taken: int) -> None:
    with pytest.raises(DataError) as raised:
        build("fashion_mnist_mini", validation=validation)
    found = f"validation {validation:g} takes {taken} of 6000 training images"
    assert str(raised.value) == (
        f"data set `fashion_mnist_mini`: {found}; training and validation need at least one each"
    )


def test_subset_leaves_validation_and_test_images_as_they_are(mini: DataSet) -> None:
    small = build("fashion_mnist_mini", subset=205)
    assert (len(small.train), len(small.validation), len(small.test)) == (205, 600, 1000)
    assert sorted(np.bincount(small.train.labels)) == [20] * 5 + [21] * 5
    assert np.array_equal(small.validation.images, mini.validation.images)
    assert np.array_equal(small.test.images, mini.test.images)
    assert (small.mean, small.std) == (mini.mean, mini.std)
    pairs = {image.tobytes(): label for image, label in zip(mini.train.images, mini.train.labels, strict=True)}
    assert all(
        pairs[image.tobytes()] == label for image, label in zip(small.train.images, small.train.labels, strict=True)
    )


def test_subset_that_cannot_be_had_names_the_data_set() -> None:
    with pytest.raises(DataError, match="^data set `fashion_mnist_mini`: subset 6000 has as many images of each class"):
        build("fashion_mnist_mini", subset=6000)


def test_test_split_is_shared_memory_that_torch_takes_without_a_warning(mini: DataSet) -> None:
    assert isinstance(mini.test.images, np.memmap)
    assert torch.from_numpy(mini.test.images).shape == (1000, 28, 28, 1)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx_data_sets_are_built(tmp_path: Path, write_idx: Writer, name: str) -> None:
    write_idx(tmp_path / {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}[name] / "raw", packed=True)
    data = build(name, tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == (18, 2, 10)
    assert (data.name, data.in_channels, data.image_size, data.num_classes) == (name, 1, 8, 10)
    assert data.mean == {"mnist": (0.1307,), "fashion_mnist": (0.2860,)}[name]


def test_cifar10_as_a_folder_of_images_is_built(tmp_path: Path, write_images: Writer) -> None:
    write_images(tmp_path / "cifar10", classes=CIFAR10_CLASSES)
    data = build("cifar10", tmp_path)
    assert (data.classes, data.in_channels, data.mean) == (CIFAR10_CLASSES, 3, (0.4914, 0.4822, 0.4465))


def test_any_folder_of_images_is_built_with_its_own_statistics(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    data = build("pets", tmp_path, validation=0.25)
    assert (data.name, data.classes, data.image_size) == ("pets", ("cat", "dog"), 6)
    assert (len(data.train), len(data.validation), len(data.test)) == (6, 2, 4)
    mean, std = channel_statistics(decode(place_of("pets", [tmp_path]), ()).train_images)
    assert (data.mean, data.std) == (mean, std)
    (folder / "test" / "cat" / "0.png").unlink()
    assert len(image_folder("pets", [tmp_path]).test) == 3


@pytest.mark.full_data
@pytest.mark.parametrize(
    ("name", "size", "channels", "train", "test"),
    [("cifar10", 32, 3, 50_000, 10_000), ("mnist", 28, 1, 60_000, 10_000), ("fashion_mnist", 28, 1, 60_000, 10_000)],
)
def test_full_data_sets(full_data: Path, name: str, size: int, channels: int, train: int, test: int) -> None:
    data = build(name, full_data)
    assert (data.image_size, data.in_channels) == (size, channels)
    assert (len(data.train) + len(data.validation), len(data.test)) == (train, test)
    mean, std = channel_statistics(np.concatenate([data.train.images, data.validation.images]))
    # CIFAR-10 may lie there as JPEG, whose pixels differ a little.
    assert data.mean == pytest.approx(mean, abs=2e-3 if name == "cifar10" else 5e-5)
    assert data.std == pytest.approx(std, abs=2e-3 if name == "cifar10" else 5e-5)
