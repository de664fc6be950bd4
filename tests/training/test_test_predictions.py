from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.training.data.gathering import OutcomeCollector
from cnnjobs.training.data.test_predictions import outcome_to_bytes, read_outcome


def test_an_outcome_survives_the_disk(tmp_path: Path) -> None:
    collector = OutcomeCollector()
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 1.0]])
    collector.add(logits[:2], torch.tensor([0, 2]))
    collector.add(logits[2:], torch.tensor([2]))
    outcome = collector.outcome()
    assert outcome is not None
    folder = RunFolder(tmp_path)
    folder.predictions_file.write_bytes(outcome_to_bytes(outcome))
    assert folder.predictions_file.read_bytes() == outcome_to_bytes(outcome)
    read = read_outcome(folder)
    assert read is not None
    assert read.labels.tolist() == [0, 2, 2]
    assert read.predicted.tolist() == [0, 1, 2]
    assert read.right.tolist() == [True, False, True]
    assert np.allclose(read.confidence, logits.softmax(1).amax(1).numpy())


def test_no_image_gives_no_outcome(tmp_path: Path) -> None:
    assert OutcomeCollector().outcome() is None
    assert read_outcome(RunFolder(tmp_path)) is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.predictions_file.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ValueError, match=r"predictions\.npz: damaged"):
        read_outcome(folder)
