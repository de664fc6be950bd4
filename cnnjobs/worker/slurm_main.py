"""Entry point of an array task: `python -m cnnjobs.worker.slurm_main <submission folder>`.

It is the job's batch process itself. Slurm's signals may come at any moment and the first one would end it, so it
listens before it loads anything.
"""

from __future__ import annotations

import sys

from cnnjobs.system.stop_request import StopRequest


def main(arguments: list[str]) -> int:
    """Train the runs of this array task; exit code 1 when one failed or could not be handed back to Slurm."""
    stop = StopRequest()
    stop.listen_to_slurm()
    from pathlib import Path

    from cnnjobs.worker.array_task import train_array_task

    if len(arguments) != 1:
        print("usage: python -m cnnjobs.worker.slurm_main <submission folder>", file=sys.stderr)
        return 2
    return train_array_task(Path(arguments[0]), stop)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
