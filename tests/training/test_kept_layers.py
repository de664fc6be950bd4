"""The layers of a network, kept for reports by the first run that trains it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cnnjobs.disk.outage import Storage
from cnnjobs.disk.record import RunRecord, RunState
from cnnjobs.disk.run_folder import RunFolder, RunStore
from cnnjobs.disk.start import Start
from cnnjobs.training.data.pipeline import DataSets
from cnnjobs.training.loop.provenance import keep_layers
from cnnjobs.training.loop.workload import NetworkWorkload
from cnnjobs.training.networks.layer_table import layer_table
from cnnjobs.worker.attempt import RunAttempt
from cnnjobs.worker.claim.claimed_run import ClaimedRun


def trained(folder: RunFolder) -> RunRecord:
    with ClaimedRun.take(Storage(folder, lambda: False, lambda _: None)) as run:
        RunAttempt(run, NetworkWorkload(DataSets((), torch.device("cpu"))), threads=1).execute()
    return folder.read_record()


def test_the_first_run_of_a_network_keeps_its_layers(tmp_path: Path, toy: Any) -> None:
    store, config = RunStore(tmp_path / "sweep"), toy.config(model={"name": "cnn", "filters": [2]}, epochs=1)
    folder = store.run(config.run_id)
    folder.create(config)
    record = trained(folder)
    assert (record.state, record.input_shape) == (RunState.FINISHED, (1, 8, 8))
    (file,) = store.networks.path.iterdir()
    assert file == store.networks.file(config, (1, 8, 8), 3, None)
    assert store.networks.read(file) == layer_table(toy.trainer(config).model, (1, 8, 8))


IMAGES = {"input_shape": (1, 28, 28), "classes": ("a", "b", "c")}


def start_of(folder: RunFolder, config: Any, say: Callable[[str], None] = print) -> Start:
    storage = Storage(folder, lambda: False, say)
    return Start(
        config, None, folder, folder.read_record(), None, (), threads=1, storage=storage, say=say, note=say,
        stopped=lambda: False, learn=lambda **_: None,
    )  # fmt: skip


def test_a_network_is_listed_once_and_draws_nothing(
    tmp_path: Path, lenet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunStore(tmp_path).run(lenet.run_id)
    state = torch.get_rng_state()
    keep_layers(start_of(folder, lenet), IMAGES)
    assert torch.equal(torch.get_rng_state(), state)
    (file,) = (tmp_path / "networks").iterdir()
    kept = file.read_bytes()
    monkeypatch.setattr("cnnjobs.training.loop.provenance.built_layers", None)
    keep_layers(start_of(folder, lenet.model_copy(update={"seed": 9, "lr": 0.5})), IMAGES)
    assert file.read_bytes() == kept


def test_own_code_without_a_copy_is_not_kept(tmp_path: Path, lenet: Any) -> None:
    """An earlier version's run: what its file holds by the time of the report is not what it trained."""
    tables = RunStore(tmp_path).networks
    own = lenet.model_copy(update={"model": lenet.model.model_copy(update={"name": "mine:Net"})})
    assert tables.file(own, (1, 28, 28), 10, None) is None
    files = {tables.file(own, (1, 28, 28), 10, code) for code in ("aa", "bb")} | {
        tables.file(own, (3, 28, 28), 10, "aa")
    }
    assert len(files) == 3


def test_layers_that_cannot_be_listed_are_told_and_stop_nothing(
    tmp_path: Path, lenet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("no such\nlayer")

    said: list[str] = []
    monkeypatch.setattr("cnnjobs.training.loop.provenance.built_layers", fail)
    say: Callable[[str], None] = said.append
    keep_layers(start_of(RunStore(tmp_path).run(lenet.run_id), lenet, say), IMAGES)
    assert said == ["the network's layers cannot be listed: ValueError: no such layer"]
    assert not (tmp_path / "networks").exists()


@pytest.fixture
def lenet() -> Any:
    from cnnjobs.config.run import RunConfig

    return RunConfig.model_validate({"dataset": "fashion_mnist_mini", "model": "lenet5", "epochs": 1})
