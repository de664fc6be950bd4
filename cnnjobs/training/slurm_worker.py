"""What an element of a job array executes: `python -m cnnjobs.training.slurm_worker <submission folder> [run]`.

It is the job's batch process itself, or with a run the process of that one, which it has started. Slurm's signals may
come at any moment and the first one would end it, so it listens before it loads anything.
"""

from __future__ import annotations

import ctypes
import signal
import sys
from typing import Final

from cnnjobs.training.stop_request import StopRequest

_SET_PARENT_DEATH_SIGNAL: Final = 1


def main(arguments: list[str]) -> int:
    """Train the runs of this element, or one; exit code 1 when one failed or could not be handed back to Slurm."""
    stop = StopRequest()
    stop.listen_to_slurm()
    if len(arguments) == 2:
        _end_with_parent()
    from pathlib import Path

    from cnnjobs.training.array_task import train_array_task

    if len(arguments) not in (1, 2):
        print("usage: python -m cnnjobs.training.slurm_worker <submission folder> [run]", file=sys.stderr)
        return 2
    return train_array_task(Path(arguments[0]), stop, *arguments[1:])


def _end_with_parent() -> None:
    """Have the kernel kill this process when the one that started it is killed; Slurm may not find it then."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
