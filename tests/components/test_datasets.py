from __future__ import annotations

import hashlib
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from cnnjobs import registry
from cnnjobs.components.data import cache, class_names, datasets, fingerprints, reading
from cnnjobs.components.data.datasets import DataSet, image_folder, remember_data
from cnnjobs.components.data.decoding import channel_statistics, decode, source_of
from cnnjobs.components.data.surveys import fingerprint_of
from cnnjobs.components.files.places import BUNDLED, place_of
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
    assert mini.classes == class_names.FASHION_MNIST


def test_bundled_images_are_the_original_ones(mini: DataSet) -> None:
    """None of the first 100 training images is left out for its class, so that they are those of the original file."""
    data = decode(place_of("fashion_mnist_mini", []), class_names.FASHION_MNIST)
    assert data.train_labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert data.test_labels[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    digest = hashlib.sha256(data.train_images[:100].tobytes()).hexdigest()
    assert digest == "9fd5e05238929f78618002dd971c29d7154e418c5e6c5159dcbc48bead93a90f"
    seen = {image.tobytes() for image in data.train_images}
    assert not any(image.tobytes() in seen for image in data.test_images)


@pytest.mark.full_data
def test_bundled_images_are_the_first_of_each_class(full_data: Path) -> None:
    original = decode(place_of("fashion_mnist", [full_data]), class_names.FASHION_MNIST)
    bundled = decode(place_of("fashion_mnist_mini", []), class_names.FASHION_MNIST)
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
    data = decode(place_of("fashion_mnist_mini", []), class_names.FASHION_MNIST)
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


@pytest.mark.parametrize(("validation", "taken"), [(1.0, 6000), (0.00001, 0)])
def test_both_splits_need_images(validation: float, taken: int) -> None:
    with pytest.raises(DataError) as raised:
        build("fashion_mnist_mini", validation=validation)
    found = f"validation {validation:g} takes {taken} of 6000 training images"
    none = "" if taken else ", or write validation: 0 to train on all images and have none"
    assert str(raised.value) == (
        f"data set `fashion_mnist_mini`: {found}; training and validation need at least one each{none}"
    )


def test_validation_0_leaves_all_images_for_training(mini: DataSet) -> None:
    data = build("fashion_mnist_mini", validation=0.0)
    assert (len(data.train), len(data.validation), len(data.test)) == (6000, 0, 1000)
    assert np.array_equal(
        data.train.images, decode(place_of("fashion_mnist_mini", []), class_names.FASHION_MNIST).train_images
    )


def test_subset_of_each_split_is_even_and_drawn_by_the_seed_alone(mini: DataSet) -> None:
    sizes = {"train": 205, "validation": 53, "test": 100}
    small, again = (build("fashion_mnist_mini", subset=dict(reversed(sizes.items()))) for _ in range(2))
    plain, other = build("fashion_mnist_mini", subset=205), build("fashion_mnist_mini", subset=sizes, split_seed=1)
    for name, size in sizes.items():
        split, whole = getattr(small, name), getattr(mini, name)
        assert len(split) == len(getattr(again, name)) == size
        counts = np.bincount(split.labels, minlength=10)
        assert counts.max() - counts.min() <= 1
        held = {image.tobytes(): label for image, label in zip(whole.images, whole.labels, strict=True)}
        assert all(held[image.tobytes()] == label for image, label in zip(split.images, split.labels, strict=True))
        assert np.array_equal(split.images, getattr(again, name).images)
        assert not np.array_equal(split.images, getattr(other, name).images)
    # The training images are those of a plain number.
    assert np.array_equal(small.train.images, plain.train.images)
    assert (len(plain.validation), len(plain.test)) == (600, 1000)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"subset": {"test": 2000}}, "subset.test 2000 has as many images of each class, but of 1000 test images, "),
        ({"subset": {"validation": 9}}, "subset.validation 9 is less than one image for each of 10 classes; give at"),
        ({"subset": {"validation": 20}, "validation": 0.0}, "subset.validation 20: there are no validation images; "),
    ],
)
def test_subsets_of_splits_that_cannot_be_had_are_told(options: dict[str, object], told: str) -> None:
    with pytest.raises(DataError) as raised:
        build("fashion_mnist_mini", **options)
    assert str(raised.value).startswith(f"data set `fashion_mnist_mini`: {told}")


def test_copies_have_one_fingerprint_and_other_images_another(tmp_path: Path, write_images: Writer) -> None:
    first = write_images(tmp_path / "a" / "pets")
    copy = shutil.copytree(first, tmp_path / "b" / "pets")
    for number, path in enumerate(sorted(copy.rglob("*.png"))):
        os.utime(path, ns=(number, number))
        path.rename(path.with_name(f"photo-{path.name}"))
    one, two = (image_folder("pets", [tmp_path / folder]) for folder in ("a", "b"))
    assert one.sha256 == two.sha256 == image_folder("pets", [tmp_path / "b"], split_seed=3).sha256
    (copy / "test" / "dog" / "photo-1.png").write_bytes((copy / "test" / "dog" / "photo-0.png").read_bytes())
    assert image_folder("pets", [tmp_path / "b"]).sha256 != one.sha256
    # The same files with classes changed over.
    swapped = shutil.copytree(first, tmp_path / "c" / "pets")
    for split in ("train", "test"):
        (swapped / split / "cat").rename(swapped / split / "ant")
    assert image_folder("pets", [tmp_path / "c"]).sha256 != one.sha256


def test_packed_idx_files_have_the_fingerprint_of_plain_ones(tmp_path: Path, write_idx: Writer) -> None:
    for name, packed in (("plain", False), ("packed", True)):
        write_idx(tmp_path / name / "MNIST" / "raw", packed=packed)
    assert build("mnist", tmp_path / "plain").sha256 == build("mnist", tmp_path / "packed").sha256


def test_content_is_hashed_once_for_each_state_of_the_files(
    tmp_path: Path, write_images: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_images(tmp_path / "pets")
    place, hashed = place_of("pets", [tmp_path]), []
    whole = fingerprints._hash
    monkeypatch.setattr(fingerprints, "_hash", lambda path: (hashed.append(path), whole(path))[1])
    first = fingerprint_of(place)
    assert len(hashed) == 12
    assert fingerprint_of(place) == image_folder("pets", [tmp_path]).sha256 == first
    assert len(hashed) == 12
    os.utime(folder / "train" / "cat" / "0.png", ns=(1, 1))
    assert fingerprint_of(place) == first
    assert len(hashed) == 24
    # A file that was torn off is written again.
    for memo in cache.cache_folder().glob("pets-*.sha256"):
        memo.write_text(first[:20])
    assert fingerprint_of(place) == first


def test_one_class_is_told(tmp_path: Path, write_images: Writer) -> None:
    write_images(tmp_path / "pets", classes=("cat",))
    told = "data set `pets` has one class, `cat`: any network is right on every image, which tells nothing"
    assert image_folder("pets", [tmp_path], validation=0.25).notes == (told,)


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
    with pytest.raises(
        DataError, match=r"^data set `fashion_mnist_mini`: subset 6000 has as many images of each class"
    ):
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
    write_images(tmp_path / "cifar10", classes=class_names.CIFAR10)
    data = build("cifar10", tmp_path)
    assert (data.classes, data.in_channels, data.mean) == (class_names.CIFAR10, 3, (0.4914, 0.4822, 0.4465))


def test_any_folder_of_images_is_built_with_its_own_statistics(tmp_path: Path, write_images: Writer) -> None:
    folder = write_images(tmp_path / "pets")
    data = build("pets", tmp_path, validation=0.25)
    assert (data.name, data.classes, data.image_size) == ("pets", ("cat", "dog"), 6)
    assert (len(data.train), len(data.validation), len(data.test)) == (6, 2, 4)
    mean, std = channel_statistics(decode(place_of("pets", [tmp_path]), ()).train_images)
    assert (data.mean, data.std) == (mean, std)
    (folder / "test" / "cat" / "0.png").unlink()
    assert len(image_folder("pets", [tmp_path]).test) == 3


class _Python2Pickler(pickle._Pickler):  # type: ignore[misc,name-defined]
    """Writes strings and bytes as Python 2 did, which made the original files."""

    def save_string(self, value: str | bytes) -> None:
        content = value.encode("latin1") if isinstance(value, str) else value
        self.write(b"T" + len(content).to_bytes(4, "little") + content)

    dispatch: ClassVar = {**pickle._Pickler.dispatch, str: save_string, bytes: save_string}  # type: ignore[attr-defined]


def write_cifar100(folder: Path) -> None:
    folder.mkdir()
    draws = np.random.default_rng(2)
    for name, count in (("train", 20), ("test", 10)):
        labels = draws.permutation(count).tolist()
        batch = {"data": draws.integers(0, 256, (count, 3072), dtype=np.uint8), "fine_labels": labels}
        with (folder / name).open("wb") as file:
            _Python2Pickler(file, protocol=2).dump(batch)


def write_stl10(folder: Path) -> None:
    folder.mkdir()
    draws = np.random.default_rng(3)
    for split, count in (("train", 20), ("test", 10)):
        draws.integers(0, 256, (count, 3, 96, 96), dtype=np.uint8).tofile(folder / f"{split}_X.bin")
        draws.integers(1, 11, count, dtype=np.uint8).tofile(folder / f"{split}_y.bin")


def write_svhn(folder: Path) -> None:
    scipy_io = pytest.importorskip("scipy.io")
    draws = np.random.default_rng(4)
    for split, count in (("train", 20), ("test", 10)):
        images = draws.integers(0, 256, (32, 32, 3, count), dtype=np.uint8)
        labels = draws.integers(1, 11, (count, 1), dtype=np.uint8)
        scipy_io.savemat(folder / f"{split}_32x32.mat", {"X": images, "y": labels}, do_compression=True)


@pytest.mark.parametrize("name", ["cifar100", "stl10", "svhn", "kmnist", "emnist"])
def test_torchvision_reads_the_same(
    tmp_path: Path, write_idx: Writer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Image by image and label by label; EMNIST's images lie on their side there."""
    import torchvision.datasets as theirs

    write_cifar100(tmp_path / "cifar-100-python")
    write_stl10(tmp_path / "stl10_binary")
    if name == "svhn":
        write_svhn(tmp_path)
    write_idx(tmp_path / "KMNIST" / "raw")
    write_idx(tmp_path / "EMNIST" / "raw", emnist_split="balanced")
    for kind in (theirs.CIFAR100, theirs.STL10, theirs.SVHN):
        monkeypatch.setattr(kind, "_check_integrity", lambda self: True)
    monkeypatch.setattr(theirs.CIFAR100, "_load_meta", lambda self: None)
    data = build(name, tmp_path, validation=0.5)
    for split in ("train", "test"):
        if name in ("stl10", "svhn"):
            other = getattr(theirs, name.upper())(tmp_path, split=split)
        else:
            arguments = {"split": "balanced"} if name == "emnist" else {}
            other = getattr(theirs, name.upper())(tmp_path, train=split == "train", **arguments)
        pixels = [np.atleast_3d(np.asarray(image)) for image, _ in other]
        expected = [(each.swapaxes(0, 1) if name == "emnist" else each).tobytes() for each in pixels]
        parts = (data.test,) if split == "test" else (data.train, data.validation)
        own = [
            (image.tobytes(), label) for part in parts for image, label in zip(part.images, part.labels, strict=True)
        ]
        assert sorted(own) == sorted(zip(expected, (label for _, label in other), strict=True))


def test_emnist_has_the_classes_of_its_split(tmp_path: Path, write_idx: Writer) -> None:
    raw = tmp_path / "EMNIST" / "raw"
    for split, first in (("balanced", 0), ("letters", 1)):
        write_idx(raw, emnist_split=split, first_label=first)
        raw.rename(tmp_path / split)
    raw.mkdir()
    for path in (*(tmp_path / "balanced").iterdir(), *(tmp_path / "letters").iterdir()):
        path.rename(raw / path.name)
    balanced, letters = build("emnist", tmp_path), build("emnist", tmp_path, split="letters")
    assert (balanced.num_classes, letters.num_classes) == (47, 26)
    assert "".join(balanced.classes) == "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"
    assert letters.classes[0] == "a"
    assert letters.test.labels.tolist() == list(range(10))
    with pytest.raises(DataError, match="emnist-digits-train-images-idx3-ubyte"):
        build("emnist", tmp_path, split="digits")


def test_published_classes_are_as_many_as_their_sources_say() -> None:
    numbers = {name: len(class_names.classes_of(name, "balanced")) for name in class_names._PUBLISHED}
    assert numbers.pop("cifar100") == 100 == len(set(class_names.CIFAR100))
    assert set(numbers.values()) == {10}
    assert list(class_names.CIFAR100) == sorted(class_names.CIFAR100)
    splits = {split: len(classes) for split, classes in class_names.EMNIST.items()}
    assert splits == {"balanced": 47, "bymerge": 47, "byclass": 62, "letters": 26, "digits": 10, "mnist": 10}


def test_statistics_are_computed_where_none_are_published(tmp_path: Path, write_idx: Writer) -> None:
    write_idx(tmp_path / "KMNIST" / "raw")
    data = build("kmnist", tmp_path)
    mean, std = channel_statistics(np.concatenate([data.train.images, data.validation.images]))
    assert (data.mean, data.std) == (pytest.approx(mean), pytest.approx(std))
    assert data.classes == ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


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


def test_files_of_a_remembered_data_set_are_not_looked_at_again(
    tmp_path: Path, write_images: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNJOBS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_ENTRIES", {})
    write_images(tmp_path / "pets")
    # Nothing to remember before it is decoded.
    remember_data("pets", [tmp_path], {})
    first = image_folder("pets", [tmp_path])
    remember_data("pets", [tmp_path], {})
    looked: list[object] = []
    monkeypatch.setattr(reading, "source_of", lambda place: (looked.append(place), source_of(place))[1])
    again = image_folder("pets", [tmp_path], split_seed=3)
    assert np.array_equal(again.test.images, first.test.images)
    assert not looked
    shutil.rmtree(tmp_path / "cache")
    assert image_folder("pets", [tmp_path]).num_classes == 2
    assert looked == [place_of("pets", [tmp_path])]
