"""Whole commands as processes of their own: how long they take, and how much memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
CNNJOBS: Final = (sys.executable, "-c", "from cnnjobs.cli.main import run; run()")


class CommandError(Exception):
    """A command did not do its work."""


# A process that has exec'd is charged with the memory of the one that started it: a small one starts the command.
# On Linux it also takes in the processes that the command leaves behind, as those of jobs: their memory counts.
_RUNNER: Final = """\
import ctypes, json, os, sys, time
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
started = time.perf_counter()
process = os.fork()
if not process:
    os.execvp(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(process, 0)
seconds, usages = time.perf_counter() - started, [usage]
while time.perf_counter() < started + seconds + 5:
    try:
        left, _, usage = os.wait4(-1, os.WNOHANG)
    except ChildProcessError:
        break
    usages.append(usage) if left else time.sleep(0.01)
processor_s = sum(usage.ru_utime + usage.ru_stime for usage in usages)
found = [seconds, processor_s, max(usage.ru_maxrss for usage in usages) / 1024]
os.write(int(sys.argv[1]), json.dumps(found).encode())
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class Cost:
    """Wall time, processor time, and peak memory of the largest process among the command and what it started."""

    seconds: float
    processor_s: float
    peak_mb: float


def run(words: Sequence[str], **environment: str) -> Cost:
    """Run a command from the root of the checkout. Raises CommandError with what it said."""
    reading, writing = os.pipe()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said, os.fdopen(reading) as found:
        done = subprocess.run(
            [sys.executable, "-ISc", _RUNNER, str(writing), *words],
            cwd=ROOT,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            pass_fds=[writing],
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **environment},
        )
        os.close(writing)
        if done.returncode:
            said.seek(0)
            raise CommandError(f"{' '.join(words)}: exit code {done.returncode}\n{said.read()[-3000:]}")
        return Cost(*json.loads(found.read()))
