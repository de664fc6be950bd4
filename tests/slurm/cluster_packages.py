"""Needs of the throwaway cluster on the machine: root and Debian's packages."""

from __future__ import annotations

import os
import shutil
import subprocess

# A program of each package says that the package is there, however it was installed.
PACKAGES = {
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "slurm-client": "scontrol",
    "munge": "munged",
    "slurmdbd": "slurmdbd",
    "mariadb-server": "mariadbd",
}
# An ordinary user's PATH has no sbin, and a check for a program must not depend on who asks.
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
INSTALL = "python tests/slurm/cluster.py install"
LOCK_WAIT = ["-o", "DPkg::Lock::Timeout=120"]  # another apt-get may be at work


class PackagesError(RuntimeError):
    """Debian's packages are missing and cannot be installed from here."""


def program(name: str) -> str:
    """The path of a program, looked for in the sbin folders too."""
    path = shutil.which(name, path=PATH)
    if path is None:
        raise PackagesError(f"{name} is not installed: {INSTALL} (as root) installs {' '.join(missing())}")
    return path


def missing() -> list[str]:
    """The Debian packages whose programs are not there."""
    return [package for package, command in PACKAGES.items() if shutil.which(command, path=PATH) is None]


def obstacle() -> str | None:
    """Why no cluster can be started here, with the remedy, in one line; None where it can."""
    lacking = missing()
    if os.geteuid() != 0:
        also = f"; Debian's packages {' '.join(lacking)} are missing too ({INSTALL})" if lacking else ""
        return f"a throwaway Slurm cluster needs root (daemons, fake GPU devices): sudo make test-slurm{also}"
    if lacking:
        return f"a throwaway Slurm cluster needs Debian's packages {' '.join(lacking)}: {INSTALL}"
    return None


def install() -> list[str]:
    """Install what is missing and name it; nothing is touched where nothing is missing."""
    lacking = missing()
    if not lacking:
        return []
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        command = f"apt-get install -y --no-install-recommends {' '.join(lacking)}"
        raise PackagesError(f"installing needs root and Debian's apt-get; as root there: {command}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (
        ["update", "-qq", *LOCK_WAIT],
        ["install", "-y", "-qq", "--no-install-recommends", *LOCK_WAIT, *lacking],
    ):
        done = subprocess.run(["apt-get", *step], env=quiet, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PackagesError(f"apt-get {' '.join(step)} failed: {done.stderr.strip() or done.stdout.strip()}")
    return lacking
