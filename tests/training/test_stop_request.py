"""What a signal does to a worker's children."""

from __future__ import annotations

import signal
import subprocess
import sys

PROGRAM = """
import os, signal, time
from cnnjobs.training.stop_request import StopRequest
stop = StopRequest()
stop.listen_to_slurm()
child = os.fork()
if not child:
    os.kill(os.getpid(), signal.SIGUSR2)
    os.kill(os.getpid(), signal.SIGTERM)
    os._exit(0)
_, status = os.waitpid(child, 0)
os.kill(os.getpid(), signal.SIGUSR2)
print(os.WTERMSIG(status), stop.time_limit_ahead)
"""


def test_a_forked_child_passes_over_the_time_limit_and_ends_at_sigterm() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(int(signal.SIGTERM)), "True"]
