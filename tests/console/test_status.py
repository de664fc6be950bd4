from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from cnnjobs.console.runs.status import _causes
from cnnjobs.disk.run_folder import RunState


def test_runs_of_one_array_are_told_together_and_those_of_two_apart() -> None:
    waits = "held by its user: scontrol release {}"
    jobs = ["12_0", "12_1", "12_4", "13_0", "13_1"]
    runs = [
        SimpleNamespace(
            label=f"seed={number}", state=RunState.PENDING, cause=waits.format(job), notes=(), ahead=None
        )
        for number, job in enumerate(jobs)
    ]  # fmt: skip
    overview: Any = SimpleNamespace(snapshot=SimpleNamespace(runs=runs), next_for=lambda *_: None)
    assert list(_causes(overview, every_run=False)) == [
        "3 pending (seed=0, seed=1, seed=2): held by its user: scontrol release 12_[0-1,4]",
        "2 pending (seed=3, seed=4): held by its user: scontrol release 13_[0-1]",
    ]
