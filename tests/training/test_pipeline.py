from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import torch

from cnnjobs.components.data.datasets import DataSet, Part, Split
from cnnjobs.errors import DataError, InputError
from cnnjobs.training.data import pipeline, streaming
from cnnjobs.training.data.pipeline import DataSets, Pipeline, to_device
from cnnjobs.training.loop.trainer import Trainer

CPU = torch.device("cpu")


def epoch_of(toy: Any, epoch: int, **changes: Any) -> tuple[torch.Tensor, torch.Tensor]:
    run = toy.config(**changes)
    images, labels = zip(*Pipeline(run, toy.data(run)).training_batches(epoch), strict=True)
    return torch.cat(images), torch.cat(labels)


def test_an_epoch_has_every_image_once_in_an_order_of_its_own(toy: Any) -> None:
    run = toy.config()
    data = toy.data(run)
    first, labels = epoch_of(toy, 0)
    second, _ = epoch_of(toy, 1)
    assert torch.equal(labels.bincount(), data.train.labels.bincount())
    assert not torch.equal(first, second)
    assert torch.equal(first.flatten(1).sum(1).sort().values, second.flatten(1).sum(1).sort().values)
    assert not torch.equal(first, epoch_of(toy, 0, seed=1)[0])


def test_an_epoch_does_not_depend_on_what_was_drawn_before(toy: Any) -> None:
    changes = {"augment": ["crop", "flip", "erase"]}
    expected = epoch_of(toy, 1, **changes)[0]
    torch.rand(100)
    run = toy.config(**changes)
    pipeline = Pipeline(run, toy.data(run))
    assert len([*pipeline.training_batches(0)]) == 12
    assert torch.equal(torch.cat([images for images, _ in pipeline.training_batches(1)]), expected)


@pytest.mark.parametrize(
    ("batch_size", "drop_last", "sizes"),
    [(36, True, [36, 36]), (36, False, [36, 36, 24]), (48, True, [48, 48]), (500, True, [96]), (500, False, [96])],
)
def test_the_last_partial_batch(toy: Any, batch_size: int, drop_last: bool, sizes: list[int]) -> None:
    run = toy.config(batch_size=batch_size, drop_last=drop_last)
    pipeline = Pipeline(run, toy.data(run))
    assert [len(labels) for _, labels in pipeline.training_batches(0)] == sizes
    assert pipeline.steps_per_epoch == len(sizes)


def test_chunks_do_not_change_the_sizes_of_batches(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = epoch_of(toy, 0)
    monkeypatch.setattr("cnnjobs.training.data.pipeline._CHUNK_BYTES", 1)
    parts, _ = epoch_of(toy, 0)
    assert torch.equal(whole, parts)


def test_validation_is_never_augmented_and_the_same_in_every_epoch(toy: Any) -> None:
    run = toy.config(augment=["crop", "flip", "rotation", "erase"])
    data = toy.data(run)
    pipeline = Pipeline(run, data)
    seen = []
    for epoch in range(2):
        for _ in pipeline.training_batches(epoch):
            pass
        seen.append(torch.cat([images for images, _ in pipeline.evaluation_batches(data.validation)]))
    assert torch.equal(*seen)
    plain = data.validation.images(slice(None)).float() / 255
    torch.testing.assert_close(seen[0], (plain - data.mean[0]) / data.std[0])


def test_training_images_differ_from_those_by_the_augmentation_alone(toy: Any) -> None:
    plain, _ = epoch_of(toy, 0)
    flipped, _ = epoch_of(toy, 0, augment=["flip"])
    mirrored = [torch.equal(image, other.flip(2)) for image, other in zip(flipped, plain, strict=True)]
    kept = [torch.equal(image, other) for image, other in zip(flipped, plain, strict=True)]
    assert all(one or other for one, other in zip(mirrored, kept, strict=True))
    assert 20 < sum(mirrored) < 76


def test_the_data_set_normalises_before_erase_unless_the_run_does(toy: Any) -> None:
    everything = {"name": "erase", "probability": 1.0, "scale": [1.0, 1.0], "ratio": [1.0, 1.0]}
    erased, _ = epoch_of(toy, 0, augment=[everything])
    assert (erased == 0).all()
    own, _ = epoch_of(toy, 0, augment=[{"name": "normalise", "mean": [0.0], "std": [1.0]}])
    assert 0 <= own.min() < own.max() <= 1


def test_fixed_transforms_shape_the_input_in_training_and_evaluation(toy: Any) -> None:
    run = toy.config(dataset__channels=3, augment=["grayscale", {"name": "resize", "size": 12}])
    data = toy.data(run)
    pipeline = Pipeline(run, data)
    assert pipeline.input_shape == (1, 12, 12)
    images, _ = next(pipeline.training_batches(0))
    assert images.shape == (8, 1, 12, 12)
    evaluated, _ = next(pipeline.evaluation_batches(data.test))
    assert evaluated.shape == (30, 1, 12, 12)


def test_gray_images_of_a_colour_data_set_are_normalised_by_their_own_numbers(toy: Any) -> None:
    run = toy.config(dataset__channels=3, augment=["grayscale"])
    data = toy.data(run)
    images = Pipeline(run, data).preprocessing(data.train.images(slice(None)))
    assert images.mean().item() == pytest.approx(0, abs=1e-4)
    assert images.std(correction=0).item() == pytest.approx(1, abs=1e-4)


def test_images_are_channels_last(toy: Any) -> None:
    run = toy.config(dataset__channels=3, augment=["crop", "flip", "erase"])
    images, _ = next(Pipeline(run, toy.data(run)).training_batches(0))
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert images.dtype == torch.float32


def test_an_augmentation_that_does_not_fit_is_refused_at_once(toy: Any) -> None:
    run = toy.config(augment=[{"name": "normalise", "mean": [0.1, 0.2], "std": [1.0, 1.0]}])
    with pytest.raises(InputError, match="mean and std have 2 numbers"):
        Pipeline(run, toy.data(run))


def test_a_read_only_memory_map_is_used_as_it_is(tmp_path: Any) -> None:
    np.save(tmp_path / "images.npy", np.arange(48, dtype=np.uint8).reshape(3, 4, 4, 1))
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    split = Split(images, np.arange(3))
    data = to_device(DataSet("mapped", split, split, split, ("a", "b", "c"), (0.5,), (0.5,)), CPU)
    assert data.train.pixels.data_ptr() == images.ctypes.data


@pytest.mark.parametrize("free", [10**9, 10_000])
def test_parts_of_a_memory_map_are_not_copied_and_give_the_same_batches(
    toy: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    monkeypatch.setattr(streaming, "free_memory", lambda: free)
    run = toy.config(augment=["crop", "flip"])
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (90, 8, 8, 1), np.uint8))
    images, labels = np.load(tmp_path / "images.npy", mmap_mode="c"), np.arange(90) % 2
    rows = np.random.default_rng(1).permutation(90)
    parts = [Part(images, some, labels[some]) for some in (rows[:70], rows[70:])]
    copies = [Split(part.images, part.labels) for part in parts]
    mapped, copied = (
        to_device(DataSet("maps", *splits, splits[1], ("a", "b"), (0.5,), (0.5,)), CPU) for splits in (parts, copies)
    )
    assert (mapped.why_streamed is None, copied.why_streamed) == (free > 10_000, None)
    assert mapped.train.pixels.data_ptr() == mapped.validation.pixels.data_ptr() == images.ctypes.data
    for kind in ("train", "validation"):
        found, expected = (
            [*Pipeline(run, data).training_batches(3), *Pipeline(run, data).evaluation_batches(getattr(data, kind))]
            for data in (mapped, copied)
        )
        for (image, label), (other, its_label) in zip(found, expected, strict=True):
            assert torch.equal(image, other)
            assert torch.equal(label, its_label)


def test_what_is_too_large_for_memory_is_read_ahead_and_told(
    toy: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "images.npy", np.zeros((90, 8, 8, 1), np.uint8))
    images, labels, rows = np.load(tmp_path / "images.npy", mmap_mode="c"), np.arange(90) % 2, np.arange(90)
    train, other = (Part(images, some, labels[some]) for some in (rows[:70], rows[70:]))
    data_set = DataSet("large", train, other, other, ("a", "b"), (0.5,), (0.5,))
    # One map, however many splits it serves.
    monkeypatch.setattr(streaming, "free_memory", lambda: 2 * images.nbytes)
    assert to_device(data_set, CPU).why_streamed is None
    monkeypatch.setattr(streaming, "free_memory", lambda: 2 * images.nbytes - 1)
    data = to_device(data_set, CPU)
    assert data.why_streamed == (
        "the images take 0.0 GB and this machine has 0.0 GB free: they stay in their memory map,"
        " 4 threads read batches ahead"
    )
    run = toy.config(batch_size=2)
    assert Trainer(run, data).notes == (data.why_streamed,)
    read: list[int] = []
    original = streaming.ImageReader.read
    monkeypatch.setattr(streaming.ImageReader, "read", lambda *given: (read.append(1), original(*given))[1])
    monkeypatch.setattr(pipeline, "_CHUNK_BYTES", 1)
    batches = Pipeline(run, data).training_batches(0)
    next(batches)
    assert len(read) <= streaming.THREADS + 1
    batches.close()
    assert all(thread.name.partition("_")[0] != "reading" for thread in threading.enumerate())


def test_no_training_images_at_all(toy: Any) -> None:
    run = toy.config(dataset__train=0)
    with pytest.raises(
        DataError, match=r"`toys:stripes`: no training images are left; set dataset\.validation below 1"
    ):
        toy.data(run)


def test_runs_with_the_same_data_set_share_it(toy: Any) -> None:
    data_sets = DataSets((), CPU)
    first = data_sets.get(toy.config())
    assert data_sets.get(toy.config(lr=0.1, seed=3)) is first
    assert data_sets.get(toy.config(dataset__train=50)) is not first
