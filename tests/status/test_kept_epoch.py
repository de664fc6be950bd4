from __future__ import annotations

import pytest
import torch

from cnnjobs.disk.run_folder import RunFolder, RunStore
from cnnjobs.status.kept_epoch import kept_epoch
from cnnjobs.sweep.file import Sweep
from cnnjobs.training.data.pipeline import DataSets
from cnnjobs.training.loop import checkpoint
from cnnjobs.training.loop.trainer import Trainer


@pytest.fixture
def folder(sweep: Sweep, store: RunStore) -> RunFolder:
    run = store.run(sweep.runs[0].run_id)
    run.create(sweep.runs[0].config)
    return run


def test_the_epoch_is_that_of_the_newest_whole_checkpoint(sweep: Sweep, folder: RunFolder) -> None:
    torch.set_num_threads(1)
    config = sweep.runs[0].config
    trainer = Trainer(config, DataSets((), torch.device("cpu"), ()).get(config))
    assert kept_epoch(folder) == 0
    for epoch in (1, 300):
        trainer.epoch = epoch
        checkpoint.save(folder, {"threads": 1, **trainer.state()}, check=False)
        assert kept_epoch(folder) == epoch
    content = folder.checkpoint_file.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"weights", content[:60] + b"\0" * 60 + content[120:]):
        folder.checkpoint_file.write_bytes(damaged)
        assert kept_epoch(folder) == 1
    folder.previous_checkpoint_file.unlink()
    assert kept_epoch(folder) == 0


def test_what_is_no_checkpoint_of_ours_holds_no_epoch(folder: RunFolder) -> None:
    folder.write_checkpoint(checkpoint.to_bytes({"state": torch.zeros(3), "kind": "epoch"}))
    assert kept_epoch(folder) == 0
