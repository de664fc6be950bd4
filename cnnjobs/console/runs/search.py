"""The decisions of a search, as text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from cnnjobs.console.terminal import say, show
from cnnjobs.status.search import SearchStatus


def show_search(found: SearchStatus) -> None:
    """Bands with their numbers, each run that was stopped with its reason, and those that wait."""
    rule = found.stopping.rule
    judged = "each alone" if rule.order == "wandb" else f"in blocks of {rule.block_size}"
    number = sum(map(len, found.stopping.blocks))
    say(f"{found.name}: {number} configurations by {rule.metric} ({rule.goal}), judged {judged}", style="bold")
    table = Table(box=None, pad_edge=False)
    for heading in ("iteration", "judged", "stopped", "kept", "threshold now"):
        table.add_column(heading, justify="right")
    for band in found.bands:
        threshold = "" if band.threshold is None else f"{band.threshold:.4g}"
        table.add_row(str(band.band), str(band.judged), str(band.stopped), str(band.kept), threshold)
    if found.bands:
        show(table)
    else:
        say("no verdict yet")
    for status in found.stopped:
        say(f"{status.label}: {status.cause}")
    for status in found.waiting:
        say(f"{status.label}: {status.cause}")
    say(f"next: cnnjobs search {found.name} --check    # finds every decision again from what it saw")


def show_check(found: SearchStatus, different: Sequence[str]) -> None:
    """Show what does not follow, or that all does."""
    for line in different:
        say(line, style="red")
    number = len(found.verdicts)
    words = f"{number} verdict{'s' * (number != 1)}"
    if different:
        say(f"{found.name}: {words}, {len(different)} differ")
    else:
        say(f"{found.name}: {words}, each follows from what it saw, and that is what the records have")
