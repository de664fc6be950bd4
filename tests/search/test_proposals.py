"""Proposals follow from indices and results, not from who asks, or when."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from cnnjobs.disk.record import RunRecord, RunState
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.errors import InputError
from cnnjobs.launch.plan.search import plan_search
from cnnjobs.search.check import different_proposals
from cnnjobs.search.folder import SearchFolder
from cnnjobs.search.proposals import Proposals
from cnnjobs.sweep.file import Sweep, read_sweep
from cnnjobs.sweep.space.space import Space

TEXT = """\
method: bayes
run_cap: 14
metric: {name: score, goal: maximize}
program: train.py
parameters:
  lr: {distribution: log_uniform_values, min: 0.0001, max: 1.0}
  kind: {values: [a, b, c]}
  depth: {min: 1, max: 6}
search: {startup: 4, parallel: 3}
"""

Started = Callable[..., tuple[Sweep, RunStore]]


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Started:
    """A search that is written down and of which nothing was trained yet."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("")

    def start(text: str = TEXT, name: str = "one") -> tuple[Sweep, RunStore]:
        file = tmp_path / f"{name}.yaml"
        file.write_text(text)
        sweep, store = read_sweep(file), RunStore(tmp_path / "results" / name)
        plan_search(sweep, store).write_down(store)
        return sweep, store

    return start


def space_of(sweep: Sweep) -> Space:
    assert sweep.proposing is not None
    return sweep.proposing.space


def end(store: RunStore, run_id: str, nested: dict[str, Any], state: RunState = RunState.FINISHED) -> None:
    folder = store.run(run_id)
    folder.path.mkdir(parents=True, exist_ok=True)
    given = nested["parameters"]
    score = -abs(given["lr"] - 0.01) + {"a": 0.0, "b": 0.3, "c": 0.1}[given.get("kind", "a")]
    metrics = {"score": round(score, 4)} if state is RunState.FINISHED else {}
    folder.write_record(RunRecord(run_id=run_id, state=state, metrics=metrics))


def search(sweep: Sweep, store: RunStore, draw: Random) -> dict[str, bytes]:
    """All files of a search whose runs end in a random order, asked by a random process each time."""
    askers = [Proposals.of(store, lambda: space_of(sweep)) for _ in range(3)]
    open_runs: dict[str, dict[str, Any]] = {}
    seen: set[str] = set()
    for _ in range(10_000):
        proposals = draw.choice(askers)
        assert proposals is not None
        for each in proposals.known():
            open_runs |= {run_id: nested for run_id, nested in each.runs.items() if run_id not in seen}
            seen |= each.runs.keys()
        if draw.random() < 0.5 and open_runs:
            run_id = draw.choice(sorted(open_runs))
            end(store, run_id, open_runs.pop(run_id), RunState.FAILED if "e" in run_id[-1:] else RunState.FINISHED)
        else:
            proposals.next()
        if not proposals.left() and not open_runs:
            return {file.name: file.read_bytes() for file in sorted(SearchFolder(store).path.iterdir())}
    pytest.fail("it does not come to its end")


@pytest.mark.parametrize("engine", ["tpe", "qmc", "cmaes"])
def test_the_order_in_which_runs_end_changes_no_proposal(started: Started, engine: str) -> None:
    text = TEXT.replace("parallel: 3", f"parallel: 3, engine: {engine}")
    found = [search(*started(text, f"{engine}{number}"), Random(number)) for number in range(4)]
    assert len(found[0]) == 1 + 10
    assert all(each == found[0] for each in found)


def test_seeds_variants_conditions_and_exclusions_hold_in_proposals(started: Started) -> None:
    more = "when: {depth: {kind: [a, b]}}\nexclude: [{kind: c}]\nseeds: [5, 6]\nvariants: {x: {}, y: {width: 2}}\n"
    text = TEXT.replace("search:", f"{more}search:")
    sweep, store = started(text)
    search(sweep, store, Random(1))
    proposals = Proposals.of(store, lambda: space_of(sweep))
    assert proposals is not None
    known = proposals.known()
    assert len(known) == 14
    for each in known:
        nested = [*each.runs.values()]
        assert [run["seed"] for run in nested] == [5, 6]
        assert nested[0]["parameters"] == nested[1]["parameters"]
        assert nested[0]["parameters"]["kind"] != "c"
        assert ("width" in nested[0]["parameters"]) == (each.variant == "y")
    assert len({run_id for each in known for run_id in each.runs}) == 28
    assert list(different_proposals(proposals)) == []


def test_a_proposal_waits_for_the_results_it_needs_unless_others_were_waited_for(started: Started) -> None:
    sweep, store = started()
    proposals = Proposals.of(store, lambda: space_of(sweep))
    assert proposals is not None
    first = proposals.known()
    assert proposals.next() is None
    for each in first[:2]:
        for run_id, nested in each.runs.items():
            end(store, run_id, nested)
    fifth = proposals.next()
    assert fifth is not None
    assert [fifth.saw[number].state for number in range(4)] == ["finished", "finished", "pending", "pending"]
    assert proposals.next() is None
    sixth = proposals.next(waited=True)
    assert sixth is not None
    assert sixth.waited
    assert sixth.saw[2].state == "pending"


def test_a_target_that_is_reached_ends_the_search(started: Started) -> None:
    sweep, store = started(TEXT.replace("goal: maximize}", "goal: maximize, target: 0.05}"))
    files = search(sweep, store, Random(2))
    proposals = Proposals.of(store, lambda: space_of(sweep))
    assert proposals is not None
    assert proposals.total() < 14
    assert b"has reached the target 0.05" in files[max(files.keys() - {"proposing.json"})]


def test_few_categories_are_tried_once_each_and_then_the_search_ends(started: Started) -> None:
    text = TEXT.replace("  lr: {distribution: log_uniform_values, min: 0.0001, max: 1.0}\n", "  lr: {values: [0.1]}\n")
    sweep, store = started(text.replace("  depth: {min: 1, max: 6}\n", "  depth: {values: [1, 2]}\n"))
    search(sweep, store, Random(3))
    proposals = Proposals.of(store, lambda: space_of(sweep))
    assert proposals is not None
    assert (len(proposals.known()), proposals.left()) == (6, 0)


def test_a_larger_run_cap_and_another_space_keep_what_was_proposed(started: Started) -> None:
    sweep, store = started()
    before = search(sweep, store, Random(4))
    text = TEXT.replace("run_cap: 14", "run_cap: 16").replace("max: 6", "max: 9")
    sweep.path.write_text(text)
    assert plan_search(read_sweep(sweep.path), store).told == (
        "the space has changed since: runs of before are kept, and no longer told to the engine",
    )
    longer, _ = started(text)
    assert before.items() - {("proposing.json", before["proposing.json"])} <= search(longer, store, Random(5)).items()
    proposals = Proposals.of(store, lambda: space_of(longer))
    assert proposals is not None
    assert len(proposals.known()) == 16


def test_a_damaged_proposal_is_named(started: Started) -> None:
    sweep, store = started()
    search(sweep, store, Random(6))
    SearchFolder(store).proposal_file(7).write_bytes(b"{")
    proposals = Proposals.of(store, lambda: space_of(sweep))
    assert proposals is not None
    with pytest.raises(InputError, match=r"proposal-0007.json: damaged .* move it away to have it made anew"):
        proposals.known()
