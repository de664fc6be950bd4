from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from cnnjobs.disk.run_folder import RunFolder
from cnnjobs.errors import RunError
from cnnjobs.training.loop import checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run with checkpoints of epochs 1 and 2."""
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    for epoch in (1, 2):
        checkpoint.save(run, {"epoch": epoch, "weights": torch.full((1000,), float(epoch))}, check=True)
    return run


def epoch_of(state: dict[str, Any] | None) -> int | None:
    if state is None:
        return None
    assert torch.equal(state["weights"], torch.full((1000,), float(state["epoch"])))
    return int(state["epoch"])


def cut_in_half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_in_the_middle(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGES: list[Callable[[bytes], bytes]] = [
    cut_in_half,
    flip_in_the_middle,
    lambda content: b"",
    lambda content: content[:-1],
]


def damage(file: Path, how: Callable[[bytes], bytes]) -> None:
    file.write_bytes(how(file.read_bytes()))


def test_the_newest_is_used_and_the_one_before_kept(folder: RunFolder) -> None:
    state, notes = checkpoint.load(folder)
    assert (epoch_of(state), notes) == (2, ())
    assert epoch_of(torch.load(folder.previous_checkpoint_file, weights_only=True)) == 1
    assert len([*folder.path.iterdir()]) == 2


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_one_is_noticed_and_the_one_before_is_used(folder: RunFolder, how: Callable[[bytes], bytes]) -> None:
    damage(folder.checkpoint_file, how)
    state, notes = checkpoint.load(folder)
    assert epoch_of(state) == 1
    assert len(notes) == 1
    assert notes[0].startswith("checkpoint.pt could not be used (it")
    assert "damaged" in notes[0]
    # The next one must not push the whole one out with the damaged one.
    checkpoint.save(folder, {"epoch": 2, "weights": torch.full((1000,), 2.0)}, check=False)
    assert epoch_of(torch.load(folder.previous_checkpoint_file, weights_only=True)) == 1


def test_any_flipped_byte_is_noticed_or_harmless(folder: RunFolder) -> None:
    content = folder.checkpoint_file.read_bytes()
    for place in range(0, len(content), 23):
        folder.checkpoint_file.write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
        state, notes = checkpoint.load(folder)
        assert epoch_of(state) == (1 if notes else 2)


def test_both_damaged(folder: RunFolder) -> None:
    damage(folder.checkpoint_file, cut_in_half)
    damage(folder.previous_checkpoint_file, cut_in_half)
    state, notes = checkpoint.load(folder)
    assert state is None
    assert [note.split()[0] for note in notes] == ["checkpoint.pt", "checkpoint.previous.pt"]


def test_only_the_one_before_is_there_after_a_crash_between_two_renames(folder: RunFolder) -> None:
    folder.checkpoint_file.unlink()
    state, notes = checkpoint.load(folder)
    assert (epoch_of(state), notes) == (1, ())


def test_none_at_all(tmp_path: Path) -> None:
    assert checkpoint.load(RunFolder(tmp_path)) == (None, ())


def test_one_of_another_run_is_not_used(folder: RunFolder, tmp_path: Path) -> None:
    other = RunFolder(tmp_path / "other")
    other.path.mkdir()
    folder.checkpoint_file.rename(other.checkpoint_file)
    assert checkpoint.load(other) == (None, ("checkpoint.pt could not be used (it belongs to run run)",))


def test_what_could_not_be_loaded_again_is_not_saved(folder: RunFolder) -> None:
    with pytest.raises(
        RunError, match="the state of the optimizer, schedule or model holds more than tensors and plain"
    ):
        checkpoint.save(folder, {"epoch": Fraction(1, 2)}, check=True)
    assert epoch_of(checkpoint.load(folder)[0]) == 2


def test_weights_are_plain_and_load_safely(tmp_path: Path) -> None:
    model = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    (tmp_path / "model.pt").write_bytes(checkpoint.weights_to_bytes(model))
    weights = torch.load(tmp_path / "model.pt", weights_only=True)
    assert weights["weight"].is_contiguous()
    assert torch.equal(weights["weight"], model.weight)
