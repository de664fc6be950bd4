"""Precision that `precision: auto` stands for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from cnnjobs.disk.outage import Storage
from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.training.data.pipeline import DataSets
from cnnjobs.training.data.ranks import Ranks
from cnnjobs.training.loop import provenance
from cnnjobs.training.loop.trainer import Trainer
from cnnjobs.training.loop.workload import NetworkWorkload
from cnnjobs.training.networks import precision
from cnnjobs.worker.attempt import RunAttempt
from cnnjobs.worker.claim.claimed_run import ClaimedRun


@pytest.mark.parametrize(
    ("least", "fast", "chosen", "why"),
    [
        (0, True, "bfloat16", "auto; bfloat16 is faster from "),
        (10**9, True, "float32", "auto; bfloat16 is faster from "),
        (0, False, "float32", "auto, and this processor does not compute in bfloat16"),
    ],
)
def test_auto_goes_by_the_network_and_the_processor(
    toy: Any, monkeypatch: pytest.MonkeyPatch, least: int, fast: bool, chosen: str, why: str
) -> None:
    monkeypatch.setattr(precision, "LEAST_PRODUCTS", least)
    for module in (precision, provenance):
        monkeypatch.setattr(module, "has_fast_bfloat16", lambda: fast)
    model = {"name": "cnn", "filters": [2, 2, 2], "batch_norm": True, "dropout": 0.5}
    losses = []
    for wanted in ("auto", chosen):
        config = toy.config(model=model, epochs=1, precision=wanted)
        trainer, lines = Trainer(config, toy.data(config)), list[dict[str, Any]]()
        assert trainer.config.precision == chosen
        told = provenance.choices(config, chosen, torch.device("cpu"))["precision"]
        assert told.startswith(f"{chosen}: {why if wanted == 'auto' else ''}")
        trainer.train(lines.append, lambda: None)
        losses.append(lines[-1]["validation.loss"])
    assert losses[0] == losses[1]  # counting has drawn nothing, and left batch norm as it was


def test_a_network_that_takes_no_such_images_is_told_of_as_ever(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda: True)
    monkeypatch.setattr(precision, "num_products", lambda *_: torch.zeros(1, 2) @ torch.zeros(1, 2))
    config = toy.config(precision="auto")
    assert Trainer(config, toy.data(config)).config.precision == "float32"


def test_a_run_that_goes_on_in_another_precision_says_so(
    toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "LEAST_PRODUCTS", 0)
    config = toy.config(precision="auto", epochs=2)
    folder = RunFolder(tmp_path / config.run_id)
    folder.create(config)
    for fast, steps in ((True, 20), (False, 100)):
        monkeypatch.setattr(precision, "has_fast_bfloat16", partial(bool, fast))
        wishes = iter([False] * steps)
        with ClaimedRun.take(Storage(folder, partial(next, wishes, True), print)) as run:
            data_sets = DataSets((), torch.device("cpu"))
            RunAttempt(run, NetworkWorkload(data_sets), threads=1).execute()
    assert folder.read_record().notes == ("in float32 from epoch 1 on, before in bfloat16",)


@pytest.mark.parametrize(("fast_ranks", "chosen"), [(2, "bfloat16"), (1, "float32")])
def test_all_ranks_have_the_same(toy: Any, monkeypatch: pytest.MonkeyPatch, fast_ranks: int, chosen: str) -> None:
    class Two(Ranks):
        number = 2

        def total(self, values: Sequence[float]) -> list[float]:
            assert values == [True]
            return [fast_ranks]

    monkeypatch.setattr(precision, "LEAST_PRODUCTS", 0)
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda: True)
    config = toy.config(precision="auto", epochs=1)
    assert Trainer(config, toy.data(config), ranks=Two()).config.precision == chosen
