from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import cnnjobs
from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.errors import InputError, UnknownNameError
from cnnjobs.training.trained.export import exported, exported_weights
from cnnjobs.training.trained.network import TrainedNetwork, load_trained

CPU = torch.device("cpu")
IMAGES = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, toy: Any) -> RunFolder:
    config = toy.config(epochs=1, dataset__channels=3, augment=["flip", {"name": "resize", "size": 10}, "grayscale"])
    return toy.finished(tmp_path_factory.mktemp("trained"), config)


@pytest.fixture(scope="module")
def network(folder: RunFolder) -> TrainedNetwork:
    return load_trained(folder, CPU)


def test_plain_pytorch_reads_all_that_the_file_holds(
    network: TrainedNetwork, folder: RunFolder, tmp_path: Path
) -> None:
    file = tmp_path / "model.pth"
    file.write_bytes(exported(network))
    saved = torch.load(file, weights_only=True)
    record = folder.read_record()
    assert saved["model"] == {"name": "toys:Small", "width": 6, "dropout": 0.2}
    assert saved["classes"] == ["rows", "columns", "plain"]
    assert (saved["image_shape"], saved["input_shape"]) == ([3, 8, 8], [1, 10, 10])
    assert [step["name"] for step in saved["preprocessing"]] == ["resize", "grayscale", "normalise"]
    assert saved["metrics"] == record.metrics
    assert saved["config"] == folder.read_config().nested()
    assert saved["run_id"] == folder.run_id
    weights = torch.load(folder.model_file, weights_only=True)
    assert saved["state_dict"].keys() == weights.keys()
    assert all(torch.equal(saved["state_dict"][name], weights[name]) for name in weights)
    assert all(tensor.is_contiguous() for tensor in saved["state_dict"].values())


def test_the_weights_alone_are_a_state_dict(network: TrainedNetwork, tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(exported_weights(network))
    network.model.load_state_dict(torch.load(file, weights_only=True))


def test_load_model_takes_a_file_and_a_folder(network: TrainedNetwork, folder: RunFolder, tmp_path: Path) -> None:
    file = tmp_path / "model.pth"
    file.write_bytes(exported(network))
    expected = network.probabilities(IMAGES)
    for source in (file, str(file), folder.path):
        loaded = cnnjobs.load_model(source)
        assert torch.equal(loaded.probabilities(IMAGES), expected)
        assert (loaded.run_id, loaded.classes) == (folder.run_id, ("rows", "columns", "plain"))
        assert loaded.record.metrics == network.record.metrics


def test_other_files_are_told_in_one_line(network: TrainedNetwork, tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(exported_weights(network))
    with pytest.raises(InputError, match=r"weights\.pth: was not written by this version of `cnnjobs export`"):
        cnnjobs.load_model(file)
    file.write_bytes(b"something else")
    with pytest.raises(InputError, match="damaged or holds no weights"):
        cnnjobs.load_model(file)
    with pytest.raises(UnknownNameError, match="neither a file of `cnnjobs export` nor the folder of a run"):
        cnnjobs.load_model(tmp_path / "missing.pth")


def test_the_package_loads_torch_for_nothing_else() -> None:
    program = "import sys, cnnjobs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
