"""Memory that a process may still take: what the machine has, and what its control groups leave it or refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_MEMINFO = Path("/proc/meminfo")
_OWN_GROUPS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")
# The limit, what is used, and in the statistics the cached files among it, in the second and the first version.
_VERSION_2: Final = ("memory.max", "memory.current", ("inactive_file", "active_file"))
_VERSION_1: Final = ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file"))


def free_memory() -> int | None:
    """Bytes that are free, cached files among them, which give way; None where the system does not tell."""
    free = [*_group_rooms()]
    with suppress(OSError):
        match = re.search(r"^MemAvailable:\s+(\d+) kB", _MEMINFO.read_text(encoding="ascii"), flags=re.MULTILINE)
        free += [1024 * int(match[1])] if match else []
    return min(free, default=None)


def own_memory(pid: int) -> int | None:
    """Bytes that a process has to itself: neither mapped files nor libraries. None where the system does not tell."""
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        match = re.search(r"^RssAnon:\s+(\d+) kB", status, flags=re.MULTILINE)
        return 1024 * int(match[1]) if match else None
    return None


def memory_kills() -> int:
    """Number of processes of this control group that were killed because memory was full."""
    kills = 0
    for folder, _, is_first_version in _groups():
        with suppress(OSError):
            text = (folder / ("memory.oom_control" if is_first_version else "memory.events")).read_text(
                encoding="ascii"
            )
            kills += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill "))
    return kills


def _group_rooms() -> Iterator[int]:
    """Memory left by each group of this process that has a limit."""
    for folder, root, is_first_version in _groups():
        for each in (folder, *folder.parents):
            if each.is_relative_to(root):
                with suppress(OSError, ValueError):
                    yield _room(each, *(_VERSION_1 if is_first_version else _VERSION_2))


def _groups() -> Iterator[tuple[Path, Path, bool]]:
    """The groups of this process that count memory, each with the uppermost; whether they are of the first version."""
    lines: list[str] = []
    with suppress(OSError):
        lines = _OWN_GROUPS.read_text(encoding="utf-8").splitlines()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers or "memory" in controllers.split(","):
            root = _GROUPS / "memory" if controllers else _GROUPS
            yield root / path.lstrip("/"), root, bool(controllers)


def _room(folder: Path, limit: str, used: str, cached: tuple[str, ...]) -> int:
    """Raises ValueError for a group without a limit, and OSError for one that is not told of here."""
    most = int((folder / limit).read_text(encoding="ascii"))
    statistics = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
    files = sum(int(statistics.get(name, 0)) for name in cached)
    return max(0, most - int((folder / used).read_text(encoding="ascii")) + files)
