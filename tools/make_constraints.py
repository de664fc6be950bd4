"""constraints.txt: the releases that this environment has of all that cnnjobs needs, its tools for developers included.

    python tools/make_constraints.py            # write it, from an environment in which the tests pass
    python tools/make_constraints.py --check    # exit code 1 where this environment has others

Each line holds for the Python and the system that it was written with; elsewhere pip passes over it.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILE = Path(__file__).parent.parent / "constraints.txt"
EXTRAS = ("", "dev", "timm")
MARKER = f'python_version == "{sys.version_info.major}.{sys.version_info.minor}" and sys_platform == "{sys.platform}"'


def needed(name: str, extras: tuple[str, ...], found: dict[str, str]) -> dict[str, str]:
    """The releases of what a distribution needs, and of what that needs; what is not installed is passed over."""
    for line in metadata.requires(name) or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in extras):
            continue
        other = canonicalize_name(requirement.name)
        try:
            version = metadata.version(other)
        except metadata.PackageNotFoundError:
            continue
        if other != "cnnjobs" and other not in found:
            # A build of one's own (+cpu) is of the same release.
            found[other] = version.partition("+")[0]
            needed(other, ("", *sorted(requirement.extras)), found)
    return found


def text() -> str:
    """The file that belongs to this environment."""
    head = "# Releases that the tests pass with, written by: make constraints\n"
    found = needed("cnnjobs", EXTRAS, {})
    return head + "".join(f"{name}=={found[name]} ; {MARKER}\n" for name in sorted(found))


def main() -> int:
    """Write the file, or compare it."""
    if "--check" not in sys.argv[1:]:
        FILE.write_text(text(), encoding="utf-8")
        return 0
    pinned = FILE.read_text(encoding="utf-8")
    if MARKER not in pinned:
        print(f"constraints.txt was written for another Python or system than {MARKER}: not compared")
        return 0
    here, there = (set(re.findall(r"(?m)^[\w.-]+==\S+", each)) for each in (text(), pinned))
    for line in sorted(here ^ there):
        print(f"{'only here' if line in here else 'only in constraints.txt'}: {line}")
    return 1 if here != there else 0


if __name__ == "__main__":
    sys.exit(main())
