"""A comparison is fair: both sides train the same network on the same images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import arrays, plain_loop
from benchmarks.steps import CASES
from cnnjobs.config.run import RunConfig, read_choice
from cnnjobs.training.data.pipeline import DataSets, Pipeline


@pytest.mark.parametrize("name", CASES)
def test_networks_compute_the_same(name: str) -> None:
    case = CASES[name]
    channels = 3 if case.kind == "colour" else 1
    own = read_choice("model", case.model).build(in_channels=channels, num_classes=10, image_size=case.size)
    other = plain_loop.network(case.model, channels, 10, case.size)
    assert [weight.shape for weight in own.parameters()] == [weight.shape for weight in other.parameters()]
    other.load_state_dict(dict(zip(other.state_dict(), own.state_dict().values(), strict=True)))
    images = torch.rand(2, channels, case.size, case.size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(other.eval()(images), own.eval()(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kind", "size"), [("colour", 64), ("gray", 28)])
def test_both_sides_see_the_same_numbers(kind: str, size: int, tmp_path: Path) -> None:
    arrays.write(tmp_path, (), kind, size, 50)
    dataset = {"name": "benchmarks.arrays:arrays", "folder": str(tmp_path)}
    config = RunConfig.model_validate({"dataset": dataset, "model": "lenet5", "batch_size": 10})
    data = DataSets((), torch.device("cpu")).get(config)
    own, own_labels = next(iter(Pipeline(config, data).evaluation_batches(data.test)))
    other, labels = next(iter(plain_loop.loader(str(tmp_path), "test", batch=10, augmented=False)))
    torch.testing.assert_close(own, other)
    assert own_labels.tolist() == labels.tolist()
    assert np.array_equal(own_labels, arrays.labels(str(tmp_path), "test"))
