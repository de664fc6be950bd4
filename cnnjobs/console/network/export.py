"""An exported network: what is in its file, and the lines of Python that load it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cnnjobs.console.terminal import say

if TYPE_CHECKING:
    from cnnjobs.training.trained.network import TrainedNetwork


def show_exported(path: Path, network: TrainedNetwork, *, is_full: bool) -> None:
    """The file, and how to use it."""
    number = sum(parameter.numel() for parameter in network.model.parameters())
    say(f"{path}: {network.run_id}, {number:,} parameters, {path.stat().st_size / 1e6:.1f} MB", style="bold")
    name = str(path)
    if is_full:
        say("its state_dict, classes, preprocessing, metrics and configuration; in plain PyTorch:")
        say("    import torch")
        say(f"    saved = torch.load({name!r}, weights_only=True)")
        say('    model.load_state_dict(saved["state_dict"])   # your own model of the same layers')
        say("or network and preprocessing at once:")
        say("    import cnnjobs")
        say(f"    network = cnnjobs.load_model({name!r})")
        say("    network.probabilities(images)   # uint8 images (N, C, H, W)")
    else:
        say("its state_dict; in plain PyTorch:")
        say("    import torch")
        say(f"    weights = torch.load({name!r}, weights_only=True)")
        say("    model.load_state_dict(weights)   # your own model of the same layers")
