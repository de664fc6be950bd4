"""Whole commands as processes of their own: how long they take, and how much memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
CNNJOBS: Final = (sys.executable, "-c", "from cnnjobs.cli.main import run; run()")


class CommandError(Exception):
    """A command did not do its work."""


@dataclass(frozen=True)
class Cost:
    """Wall time, processor time, and peak memory of the largest process among the command and what it waited for."""

    seconds: float
    processor_s: float
    peak_mb: float
    output: str


def run(words: Sequence[str], **environment: str) -> Cost:
    """Run a command from the root of the checkout. Raises CommandError with what it said."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        started = time.perf_counter()
        process = subprocess.Popen(
            words,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **environment},
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        output = said.read()
    if process.returncode:
        raise CommandError(f"{' '.join(words)}: exit code {process.returncode}\n{output[-3000:]}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)
