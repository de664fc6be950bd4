from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from cnnjobs.report.results.table import ResultsTable
from cnnjobs.report.sections.architectures import architectures

if TYPE_CHECKING:
    from conftest import Results

torch.set_num_threads(1)


def test_each_network_is_listed_once_with_all_who_use_it(results: Results) -> None:
    results.write_all()
    random = torch.random.get_rng_state()
    plain, normed = architectures(ResultsTable.load(results.sweep, results.store))
    assert plain.labels == ("lr=0.1 batch_norm=false", "lr=0.01 batch_norm=false")
    assert normed.labels == ("lr=0.1 batch_norm=true", "lr=0.01 batch_norm=true")
    assert plain.table is not None
    assert normed.table is not None
    assert plain.table.input_shape == (1, 1, 28, 28)
    assert normed.table.parameters == plain.table.parameters + 2 * (32 + 64 + 128 + 64)
    assert torch.equal(torch.random.get_rng_state(), random)


def test_a_network_of_runs_that_never_started_says_so(results: Results) -> None:
    results.write(results.sweep.runs[0])
    plain, later = architectures(ResultsTable.load(results.sweep, results.store))
    assert plain.table is not None
    assert plain.labels == ("lr=0.1 batch_norm=false",)
    assert later.table is None
    assert later.problem == "the size of its images is known once a run of it has started"


def test_a_network_that_cannot_be_built_here_says_why(
    make_results: Callable[..., Results], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_nets_here.py").write_text(
        "def Net(num_classes, *, size: int = 3):\n    raise OSError('weights.pt is not here')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    results = make_results('base: {dataset: fashion_mnist_mini, model: "own_nets_here:Net", epochs: 1}\n')
    results.write_all()
    (found,) = architectures(ResultsTable.load(results.sweep, results.store))
    assert found.table is None
    assert found.problem == "its layers cannot be listed here: OSError: weights.pt is not here"


def test_the_same_network_with_some_of_it_frozen_is_another(make_results: Callable[..., Results]) -> None:
    results = make_results(
        "base: {dataset: fashion_mnist_mini, model: lenet5, epochs: 1}\n"
        "variants: {all: {}, head: {freeze: {all_but: [fc3]}}}\n"
    )
    results.write_all()
    whole, head = architectures(ResultsTable.load(results.sweep, results.store))
    assert (whole.labels, head.labels) == (("all",), ("head",))
    assert whole.table is not None
    assert head.table is not None
    assert (whole.table.frozen, head.table.trainable) == (0, 850)
