"""Decisions of a search, found again from what they say they saw, and compared with the records."""

from __future__ import annotations

from collections.abc import Iterator

from cnnjobs.disk.run_folder import RunStore
from cnnjobs.search.early_stopping import EarlyStopping
from cnnjobs.search.folder import SearchFolder, Stopping
from cnnjobs.search.proposals import Proposals
from cnnjobs.search.rule import Seen, Verdict, judge, seen_at


def different_verdicts(store: RunStore) -> Iterator[str]:
    """A line for each verdict that does not follow from what it saw, and for each value that no record has."""
    folder, search = SearchFolder(store), EarlyStopping.of(store)
    if search is None:
        return
    stopping = search.stopping()
    verdicts = {(each.band, each.block): each for each in folder.verdicts()}
    for verdict in verdicts.values():
        name = folder.verdict_file(verdict.band, verdict.block).name
        before = [verdicts.get((verdict.band, number)) for number in range(verdict.block)]
        if None in before:
            yield f"{name}: the verdicts on the blocks before it are missing"
            continue
        earlier = [each.value for past in before if past for each in past.seen.values() if each]
        if judge(stopping.rule, verdict.band, verdict.block, earlier, verdict.seen) != verdict:
            yield f"{name}: another decision follows from what it saw"
        for index, seen in verdict.seen.items():
            now = _now(store, stopping, verdict, index)
            if seen != now:
                yield f"{name}: configuration {index + 1} was seen with {_words(seen)}, its records have {_words(now)}"


def different_proposals(proposals: Proposals) -> Iterator[str]:
    """A line for each proposal that does not follow from what it saw, or that another release has made."""
    for made, again in proposals.again():
        name = f"proposal-{made.index:04d}.json"
        if made.engine != again.engine:
            yield f"{name}: made by {made.engine or 'no engine'}, here it is {again.engine or 'none'}"
        elif made != again:
            yield f"{name}: another proposal follows from what it saw"


def _now(store: RunStore, stopping: Stopping, verdict: Verdict, index: int) -> Seen | None:
    members = stopping.members(verdict.block)
    if index not in members:
        return None
    runs = (store.run(run_id) for run_id in members[index])
    values = {run.run_id: stopping.rule.reported(run.read_metrics(windows=False)) for run in runs}
    return seen_at(stopping.rule, verdict.band, values)


def _words(seen: Seen | None) -> str:
    return "no value" if seen is None else f"{seen.value:.6g}"
