"""What `precision: auto` stands for."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cnnjobs.training import precision, provenance
from cnnjobs.training.trainer import Trainer


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
