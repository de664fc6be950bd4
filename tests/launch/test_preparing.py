from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cnnjobs.disk.run_folder import RunState, RunStore
from cnnjobs.launch.plan import resolving
from cnnjobs.launch.plan.plan import Action, Plan, Selection
from cnnjobs.launch.plan.preparing import prepare_for_slurm, prepare_here
from cnnjobs.slurm.cluster import NodeGroup, Partition
from cnnjobs.slurm.queue import QueueView
from cnnjobs.status.repair import Queue
from cnnjobs.status.sweeps import OpenSweep
from cnnjobs.sweep.file import Sweep
from cnnjobs.sweep.settings import JobSettings

Put = Callable[..., None]
CPU = Partition("cpu", True, True, 60, None, (NodeGroup(2, True, 8, 4000),))
ONE_CORE = JobSettings(overrides={"cpus_per_run": 1, "gpus_per_run": 0})


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cnnjobs.launch.plan.place.read_partitions", lambda: (CPU,))
    monkeypatch.setattr(resolving, "read_partitions", lambda: (CPU,))


def actions(plan: Plan) -> list[Action]:
    return [each.action for each in plan.runs]


def test_the_same_selection_gives_the_same_plan_here_and_for_slurm(sweep: Sweep, store: RunStore, put: Put) -> None:
    put(0, RunState.FINISHED)
    put(1, RunState.FAILED)
    ids = [run.run_id for run in sweep.runs]
    opened = OpenSweep(sweep, store, "four")
    left = Action.LEFT
    for selection, found in (
        (Selection(), [Action.FINISHED, Action.FAILED, Action.NEW, Action.NEW]),
        (Selection(retry_failed=True), [Action.FINISHED, Action.AGAIN, Action.NEW, Action.NEW]),
        (Selection(force=True), [Action.AGAIN, Action.AGAIN, Action.NEW, Action.NEW]),
        (Selection(only=frozenset(ids[1:3])), [Action.FINISHED, Action.AGAIN, Action.NEW, left]),
        (Selection(force=True, only=frozenset(ids[:1])), [Action.AGAIN, left, left, left]),
    ):
        here = prepare_here(opened, selection, ONE_CORE, Path("data"))
        there = prepare_for_slurm(opened, selection, ONE_CORE, Path("data"))
        assert actions(here.plan) == actions(there.plan) == found
        assert here.folders == there.folders
        assert (here.on_gpu, there.on_gpu) == (False, False)
        assert here.plan.is_retry is there.plan.is_retry is selection.is_retry


def test_what_was_held_goes_along_where_only_others_were_asked_for(sweep: Sweep, store: RunStore, put: Put) -> None:
    put(1, RunState.FAILED)
    ids = [run.run_id for run in sweep.runs]
    opened, empty = OpenSweep(sweep, store, "four"), Queue((), QueueView(knows_queue=True))
    one = prepare_for_slurm(opened, Selection(only=frozenset(ids[1:2])), ONE_CORE, None)
    assert actions(one.again(empty).plan) == [Action.LEFT, Action.AGAIN, Action.LEFT, Action.LEFT]
    assert actions(one.again(empty, also=ids[3:]).plan) == [Action.LEFT, Action.AGAIN, Action.LEFT, Action.NEW]
    # The whole sweep needs no more.
    assert Selection(force=True).along_with(ids) == Selection(force=True)


def test_settings_of_the_command_stand_over_those_of_the_sweep() -> None:
    sweeps = JobSettings("gpu", {"cpus_per_run": 2, "mem_gb": 4})
    assert sweeps.under(None, {"mem_gb": 8}) == JobSettings("gpu", {"cpus_per_run": 2, "mem_gb": 8})
    assert sweeps.under("cpu", {}) == JobSettings("cpu", {"cpus_per_run": 2, "mem_gb": 4})
