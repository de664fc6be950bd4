"""What a worker asks of Slurm's controller."""

from __future__ import annotations

import subprocess
from typing import Any, Final

from cnnjobs.training.worker import say

_COMMAND_S: Final = 10


def scontrol(*words: str) -> bool:
    """Whether Slurm did what it was told; its own words go to the log when it did not."""
    command: Any = ("scontrol", *words)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_S, check=False)
        said = " ".join((done.stderr or done.stdout).split()) if done.returncode else ""
    except FileNotFoundError:
        said = "it is not on the PATH of this node"
    except subprocess.TimeoutExpired:
        said = f"it did not answer within {_COMMAND_S} s"
    if said:
        say("worker", f"{' '.join(command)}: {said}")
    return not said
