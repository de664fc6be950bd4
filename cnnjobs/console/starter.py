"""Results of `init`: files written, files left alone, and the next command."""

from __future__ import annotations

import shlex

from cnnjobs.console.terminal import notice, say
from cnnjobs.launch.plan.place import Place
from cnnjobs.setup.starter import Starter
from cnnjobs.slurm.cluster import ClusterOffer


def show_starter(starter: Starter, place: Place, offer: ClusterOffer | None, sweep: str = "quickstart") -> None:
    """Every file by its path."""
    for path in starter.written:
        say(f"wrote {starter.folder / path}")
    for path in starter.kept:
        say(f"kept  {starter.folder / path} (it was there)")
    if offer is None:
        notice(f"no profile for Slurm was written: {place.reason}")
    else:
        for complaint in offer.complaints:
            notice(complaint)
        if not starter.slurm_profiles:
            notice("no profile for Slurm was written: no partition with a node that is up is open to you")
    option = f" --profile {starter.slurm_profiles[0]}" if starter.slurm_profiles else ""
    say(f"next: cd {shlex.quote(str(starter.folder))} && cnnjobs sweep sweeps/{sweep}.yaml{option} --dry-run")
