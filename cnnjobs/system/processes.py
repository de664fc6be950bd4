"""Other processes of this machine, as /proc tells of them; where there is none, nothing is told."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def descendants(ancestor: int) -> set[int]:
    """The processes that one has started, and those that these have."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            children.setdefault(int(_stat(stat)[1]), []).append(int(stat.parent.name))
    found: set[int] = set()
    open_ones = [ancestor]
    while open_ones:
        below = children.get(open_ones.pop(), [])
        open_ones += below
        found.update(below)
    return found


def _stat(stat: Path) -> list[str]:
    """The state of a process, its parent and what follows."""
    return stat.read_text(errors="replace").rpartition(")")[2].split()


def is_dead(pid: int) -> bool:
    """Check whether a process is over, or waits for nothing but its parent to hear so."""
    try:
        return _stat(Path(f"/proc/{pid}/stat"))[0] in "ZX"
    except (OSError, IndexError):
        return True


def command_of(pid: int) -> str:
    """The command line of a process, or its name."""
    with suppress(OSError):
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        return line[:200] or Path(f"/proc/{pid}/comm").read_text().strip()
    return f"process {pid}"
