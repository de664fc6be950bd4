from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from cnnjobs.errors import InputError
from cnnjobs.training.data.pipeline import DataSets
from cnnjobs.training.trained.network import TrainedNetwork, load_trained
from cnnjobs.training.trained.predictions import predict_files, predict_split

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory, toy: Any) -> TrainedNetwork:
    return load_trained(toy.finished(tmp_path_factory.mktemp("trained"), toy.config()), CPU)


def test_images_of_a_split_come_with_their_true_classes(network: TrainedNetwork) -> None:
    data_sets = DataSets((), CPU)
    predictions = predict_split(network, data_sets, "test", 30)
    assert [prediction.truth for prediction in predictions[:4]] == ["rows", "columns", "plain", "rows"]
    right = sum(bool(prediction.is_right) for prediction in predictions)
    assert right / 30 == network.record.metrics["test.accuracy"]
    first = predictions[0]
    assert (first.source, first.pixels.shape) == ("test 0", (8, 8, 1))
    assert [*first.probabilities] == ["rows", "columns", "plain"]
    assert sum(first.probabilities.values()) == pytest.approx(1)
    assert [share for _, share in first.ranked] == sorted(first.probabilities.values(), reverse=True)
    assert len(predict_split(network, data_sets, "test", 999)) == 30


def test_a_seed_draws_the_same_images_every_time(network: TrainedNetwork) -> None:
    data_sets = DataSets((), CPU)
    drawn = [[each.source for each in predict_split(network, data_sets, "test", 5, seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 5


def test_a_file_is_seen_as_the_same_image_of_the_data_set(network: TrainedNetwork, tmp_path: Path) -> None:
    known = predict_split(network, DataSets((), CPU), "test", 3)
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file, prediction in zip(files, known, strict=True):
        Image.fromarray(prediction.pixels[:, :, 0]).save(file)
    found = predict_files(network, files)
    assert [each.probabilities for each in found] == [each.probabilities for each in known]
    assert [(each.source, each.truth, each.is_right) for each in found] == [(str(file), None, None) for file in files]


def test_all_files_at_fault_are_named_at_once(network: TrainedNetwork, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("a text")
    with pytest.raises(InputError) as told:
        predict_files(network, [tmp_path / "text.png", tmp_path / "missing.png"])
    assert str(told.value).count("\n") == 1
    assert "text.png: is no image" in str(told.value)
    assert "missing.png: there is no such file" in str(told.value)


def test_images_of_two_channels_are_in_no_file(toy: Any, tmp_path: Path) -> None:
    network = load_trained(toy.finished(tmp_path, toy.config(epochs=1, dataset__channels=2)), CPU)
    with pytest.raises(InputError, match="takes images of 2 channels"):
        predict_files(network, [])
