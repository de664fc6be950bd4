"""Runs on images that have sizes of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cnnjobs.disk.submission_folder import EvaluationRequest
from cnnjobs.errors import InputError
from cnnjobs.figures.network.subject import Subject
from cnnjobs.training.data.pipeline import DataSets
from cnnjobs.training.trained.evaluation import evaluate_run
from cnnjobs.training.trained.export import exported, load_exported
from cnnjobs.training.trained.network import load_trained
from cnnjobs.training.trained.predictions import predict_files, predict_split

CPU = torch.device("cpu")
CROPPED = {"name": "resize", "shorter": 10, "crop": 8}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes, 6 + 2 images each of sizes of their own, and beside them `squares`, the same of one size."""
    monkeypatch.setenv("CNNJOBS_CACHE", str(tmp_path / "cache"))
    draws = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 2)):
        for name in ("cat", "dog"):
            for index in range(count):
                height, width = draws.integers(9, 40, 2)
                image = Image.fromarray(draws.integers(0, 256, (height, width), dtype=np.uint8))
                for data, shown in (("pets", image), ("squares", image.resize((24, 24)))):
                    path = tmp_path / data / split / name / f"{index}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    shown.save(path)
    return tmp_path


@pytest.mark.parametrize("step", [{"name": "resize", "size": 8}, CROPPED, {"name": "letterbox", "size": 8}])
def test_a_run_is_trained_and_sees_files_as_it_was_trained(folder: Path, toy: Any, step: dict[str, Any]) -> None:
    config = toy.config(dataset="pets", augment=[step, "flip"], epochs=1, batch_size=4)
    run = toy.finished(folder / "runs", config, (folder,))
    record = run.read_record()
    assert (record.are_fitted, record.image_shape, record.input_shape) == (True, (1, 8, 8), (1, 8, 8))
    assert record.preprocessing[0] == ({"size": None} | step if "crop" in step else step)
    network = load_trained(run, CPU)
    files = sorted((folder / "pets" / "test").rglob("*.png"))
    known = predict_split(network, DataSets((folder,), CPU), "test", 4)
    found = predict_files(network, files)
    assert [each.probabilities for each in found] == [each.probabilities for each in known]
    own = evaluate_run(run, EvaluationRequest(split="test", dataset=None), DataSets((folder,), CPU))
    assert own.metrics["loss"] == record.metrics["test.loss"]
    subject = Subject.of_run(run, network, (folder,))
    in_split, of_file = subject.images([0])[0], subject.image(str(files[0]))
    assert torch.equal(in_split.inputs, of_file.inputs)
    (folder / "model.pth").write_bytes(exported(network))
    assert [each.probabilities for each in predict_files(load_exported(folder / "model.pth", CPU), files)] == [
        each.probabilities for each in known
    ]


def test_a_run_on_fitted_images_is_measured_on_ones_of_one_size(folder: Path, toy: Any) -> None:
    config = toy.config(dataset="pets", augment=[CROPPED], epochs=1, batch_size=4)
    run = toy.finished(folder / "runs", config, (folder,))
    data_sets = DataSets((folder,), CPU)
    there = evaluate_run(run, EvaluationRequest(split="test", dataset={"name": "squares"}), data_sets)
    assert there.num_images == 4


def test_images_without_a_step_that_fits_are_refused(folder: Path, toy: Any) -> None:
    with pytest.raises(InputError, match=r"begin `augment` with \{name: resize, size: 64\}"):
        DataSets((folder,), CPU).get(toy.config(dataset="pets"))
