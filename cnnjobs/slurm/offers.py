"""Refusals by Slurm, with what it would take instead: partitions, accounts, QOS."""

from __future__ import annotations

import getpass
from contextlib import suppress
from typing import Final

from cnnjobs.slurm.cluster import describe, read_partitions
from cnnjobs.slurm.commands import SlurmError, ask

_PATIENCE_S: Final = 10


def accounting(*what: str, columns: str) -> str:
    """A table of sacctmgr, its columns parted by `|`. Raises SlurmError."""
    return ask("sacctmgr", "--noheader", "--parsable2", "show", *what, f"format={columns}", seconds=_PATIENCE_S)


def with_offers(words: str) -> SlurmError:
    """Slurm's refusal, and what is allowed here, as far as Slurm tells: partitions, accounts, QOS."""
    lines = [f"{words}; nothing was submitted"]
    with suppress(SlurmError):
        lines += [f"  allowed here: partition {describe(each)}" for each in read_partitions()]
    with suppress(SlurmError):
        said = accounting("assoc", "where", f"user={getpass.getuser()}", columns="Account,QOS")
        pairs = [line.split("|", 1) for line in said.splitlines() if "|" in line]
        for word, column in (("account", 0), ("qos", 1)):
            names = sorted({name for pair in pairs for name in pair[column].split(",") if name})
            lines += [f"  allowed here: {word} {', '.join(names)}"] if names else []
    return SlurmError("\n".join(lines))
