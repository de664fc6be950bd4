"""Fixtures of the tests of figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cnnjobs.config.run import RunConfig
from cnnjobs.disk.run_folder import RunFolder, RunRecord, RunState, RunStore
from cnnjobs.figures.network.subject import Subject
from cnnjobs.training.data.pipeline import DataSets, Pipeline
from cnnjobs.training.loop.checkpoint import weights_to_bytes
from cnnjobs.training.networks.building import build_model
from cnnjobs.training.trained.network import load_trained

SIDE = 16
CLASSES = ("dark", "light")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """A folder that holds the data set `shades`: dark and light images, 6 of each for training and 4 for testing."""
    draws = np.random.default_rng(1)
    for split, count in (("train", 6), ("test", 4)):
        for label, name in enumerate(CLASSES):
            folder = tmp_path / "data" / "shades" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = draws.integers(100 * label, 100 * label + 150, (SIDE, SIDE, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "data"


@pytest.fixture
def run_folder(tmp_path: Path, data_folder: Path) -> RunFolder:
    """A finished run on `shades`, results/any/<run id>; its network is random, and its third filter never answers."""
    config = RunConfig.model_validate(
        {"dataset": "shades", "model": {"name": "cnn", "filters": [4, 6], "hidden": []}, "augment": ["flip"]}
    )
    store = RunStore(tmp_path / "results" / "any")
    store.keep_sweep_file("name: any\nbase:\n  dataset: shades\n  model: {name: cnn, filters: [4, 6], hidden: []}\n")
    folder = store.run(config.run_id)
    folder.create(config)
    model: Any = build_model(config, (3, SIDE, SIDE), len(CLASSES))
    with torch.no_grad():
        model.conv1.bias[2] = -1000
    folder.model_file.write_bytes(weights_to_bytes(model))
    shape = (3, SIDE, SIDE)
    steps = ({"name": "normalise", "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3]},)
    record = RunRecord(run_id=config.run_id, state=RunState.FINISHED, classes=CLASSES, preprocessing=steps)
    folder.write_record(record.model_copy(update={"image_shape": shape, "input_shape": shape}))
    return folder


@pytest.fixture(scope="session")
def learned() -> Subject:
    """A small network that tells the bundled images of clothes, after two passes over them."""
    config = RunConfig.model_validate({"dataset": "fashion_mnist_mini", "model": "lenet5"})
    data_sets = DataSets([], torch.device("cpu"))
    data = data_sets.get(config)
    pipeline = Pipeline(config, data)
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(
            *(nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(8, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(16 * 25, 10)),
        )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(2):
        for images, labels in pipeline.training_batches(epoch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
    model.eval()
    return Subject("small", model, pipeline.preprocessing, data.classes, data_sets, config)


@pytest.fixture
def subject(run_folder: RunFolder, data_folder: Path) -> Subject:
    """The network of that run."""
    trained = load_trained(run_folder, torch.device("cpu"))
    return Subject.of_run(run_folder, trained, [data_folder])
