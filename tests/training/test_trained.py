from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.errors import InputError
from cnnjobs.training.data.pipeline import DataSets
from cnnjobs.training.networks.evaluate import evaluate
from cnnjobs.training.trained.network import load_trained

CPU = torch.device("cpu")


STEPS = [{"name": "flip"}, {"name": "resize", "size": 12}, {"name": "grayscale"}, {"name": "erase"}]


@pytest.mark.parametrize(
    "changes",
    [{}, {"augment": STEPS, "dataset__channels": 3}, {"precision": "bfloat16", "dataset__channels": 3}],
    ids=["as it is", "resized and gray", "bfloat16"],
)
def test_the_network_measures_again_what_its_record_says_bit_for_bit(tmp_path: Path, toy: Any, changes: Any) -> None:
    folder = toy.finished(tmp_path, toy.config(**changes))
    trained, data = load_trained(folder, CPU), toy.data(toy.config(**changes))
    metrics: dict[str, float] = {}
    for name in ("train", "validation", "test"):
        batches = trained.preprocessing.batches(getattr(data, name), trained.config.batch_size)
        loss = trained.config.loss.build()
        found = evaluate(trained.model, batches, loss, precision=trained.config.precision)
        metrics |= {f"{name}.{metric}": value for metric, value in found.items()}
    assert metrics == folder.read_record().metrics
    assert trained.classes == ("rows", "columns", "plain")
    right = trained.probabilities(data.test.images(slice(None))).argmax(1) == data.test.labels
    assert right.double().mean().item() == metrics["test.accuracy"]


def test_it_needs_no_data_and_draws_nothing(tmp_path: Path, toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = toy.finished(tmp_path, toy.config())
    monkeypatch.delattr(DataSets, "get")
    assert folder.read_record().preprocessing == ({"name": "normalise", "mean": [0.35], "std": [0.16]},)
    before = torch.get_rng_state()
    trained = load_trained(folder, CPU)
    assert torch.equal(torch.get_rng_state(), before)
    assert not trained.model.training
    images = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    assert trained.logits(images).shape == (2, 3)
    assert trained.probabilities(images).sum(1).tolist() == pytest.approx([1, 1])


def test_a_record_without_preprocessing_is_served_by_the_data_set(tmp_path: Path, toy: Any) -> None:
    folder = toy.finished(tmp_path, toy.config(augment=STEPS, dataset__channels=3))
    record = folder.read_record()
    folder.write_record(record.model_copy(update={"preprocessing": (), "image_shape": None}))
    trained = load_trained(folder, CPU)
    assert trained.preprocessing.steps == record.preprocessing
    assert trained.preprocessing.image_shape == record.image_shape == (3, 8, 8)
    assert trained.preprocessing.input_shape == record.input_shape == (1, 12, 12)


def test_what_cannot_be_loaded_is_told_in_one_line(tmp_path: Path, toy: Any) -> None:
    config = toy.config(epochs=1)
    folder = RunFolder(tmp_path / "pending")
    folder.create(config)
    with pytest.raises(InputError, match="run pending is pending and has no weights yet"):
        load_trained(folder, CPU)
    folder = toy.finished(tmp_path, config)
    weights = folder.model_file.read_bytes()
    folder.model_file.write_bytes(weights[:100])
    with pytest.raises(InputError, match=r"model\.pt: it is damaged or holds no weights"):
        load_trained(folder, CPU)
    folder.model_file.write_bytes(weights)
    other = toy.config(epochs=1, model__width=4)
    folder.config_file.unlink()
    folder.create(other)
    with pytest.raises(InputError, match="does not fit the network, has its code changed"):
        load_trained(folder, CPU)
    folder.model_file.unlink()
    with pytest.raises(InputError, match=r"is finished, but its weights are gone: .*model\.pt"):
        load_trained(folder, CPU)


def test_a_network_that_started_from_other_weights_needs_them_no_more(tmp_path: Path, toy: Any) -> None:
    first = toy.finished(tmp_path, toy.config(epochs=1))
    began = {"weights": str(first.model_file), "freeze": {"all_but": ["6"]}, "augment": [{"name": "resize", "size": 8}]}
    folder = toy.finished(tmp_path, toy.config(epochs=1, seed=1, **began))
    before = torch.load(first.model_file, weights_only=True)
    first.model_file.unlink()
    trained, data = load_trained(folder, CPU), toy.data(toy.config())
    found = evaluate(trained.model, trained.preprocessing.batches(data.test, 8), trained.config.loss.build())
    assert found["loss"] == folder.read_record().metrics["test.loss"]
    after = trained.model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before if not name.startswith("6."))
    assert not torch.equal(after["6.weight"], before["6.weight"])
