"""The decisions of a search, as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.table import Table

from cnnjobs.console.terminal import say, show
from cnnjobs.search.folder import ProposingRule, Stopping
from cnnjobs.status.search.decisions import SearchStatus, waiting_or_stopped


def show_search(found: SearchStatus) -> None:
    """Proposals, bands with their numbers, and each run that was stopped or waits with its reason."""
    if found.proposing is not None:
        _show_proposals(found, found.proposing)
    if found.stopping is not None:
        _show_bands(found, found.stopping)
    for label, cause in waiting_or_stopped(found.snapshot):
        say(f"{label}: {cause}")
    say(f"next: cnnjobs search {found.name} --check    # finds every decision again from what it saw")


def _show_proposals(found: SearchStatus, rule: ProposingRule) -> None:
    made = [each for each in found.proposals if each.ended is None]
    engines = Counter(each.engine for each in made)
    number = len(rule.first) + len(made)
    say(f"{found.name}: {number} of at most {rule.most} configurations by {rule.metric} ({rule.goal})", style="bold")
    say(f"{len(rule.first)} at random; each other one from the results of those that are {rule.lag} behind it")
    for engine, count in engines.items():
        say(f"{count} proposed by {engine}")
    late = [str(each.index + 1) for each in made if each.waited]
    if late:
        say(f"proposed after waiting too long for results: configurations {', '.join(late)}")
    for each in found.proposals:
        if each.ended:
            say(f"ended: {each.ended}")


def _show_bands(found: SearchStatus, stopping: Stopping) -> None:
    rule = stopping.rule
    judged = "each alone" if rule.order == "wandb" else f"in blocks of {rule.block_size}"
    number = sum(map(len, stopping.blocks))
    say(f"{found.name}: {number} configurations judged {judged} by {rule.metric} ({rule.goal})", style="bold")
    if not found.bands:
        say("no verdict yet")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("iteration", "judged", "stopped", "kept", "threshold now"):
        table.add_column(heading, justify="right")
    for band in found.bands:
        threshold = "" if band.threshold is None else f"{band.threshold:.4g}"
        table.add_row(str(band.band), str(band.judged), str(band.stopped), str(band.kept), threshold)
    show(table)


def show_check(found: SearchStatus, different: Sequence[str]) -> None:
    """Show each decision that does not follow, or that all do."""
    for line in different:
        say(line, style="red")
    numbers = ((len(found.verdicts), "verdict"), (len(found.proposals), "proposal"))
    words = " and ".join(f"{number} {word}{'s' * (number != 1)}" for number, word in numbers if number) or "no decision"
    if different:
        say(f"{found.name}: {words}; {len(different)} differ")
    else:
        say(f"{found.name}: {words}: each follows from what it saw, and that is what the records have")
