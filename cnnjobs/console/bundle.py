"""Show the files packed to be handed in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cnnjobs.console.terminal import notice, say

# What is there once for every run, and every table.
_PARTS: Final = re.compile(r"/(tables)/[^/]+$|/(runs)/[^/]+(?=/)")


def show_bundle(archive: Path, found: Mapping[str, Path], report: Path, notices: Sequence[str]) -> None:
    """The report, the archive, and its content: tables and files of runs counted, others one by one."""
    for text in notices:
        notice(text)
    say(f"{report}: {report.stat().st_size / 1e6:.2f} MB", style="bold")
    say(f"{archive}: {len(found)} files, {archive.stat().st_size / 1e6:.2f} MB", style="bold")
    alike = Counter(_PARTS.sub(lambda part: f"/{part[1] or part[2]}/*", name) for name in found)
    for name, count in alike.items():
        say(f"  {name}" + (f" ({count})" if count > 1 or "*" in name else ""))
