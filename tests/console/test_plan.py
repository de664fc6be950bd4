from __future__ import annotations

from pathlib import Path

import pytest

from cnnjobs.console.runs.plan import show_planned_runs
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.launch.plan.plan import make_plan
from cnnjobs.sweep.file import read_sweep


@pytest.mark.parametrize(("count", "shown", "last"), [(99, 99, None), (3000, 20, "   and 2,980 more: 2,980 new")])
def test_a_plan_of_many_runs_lists_the_first(
    count: int, shown: int, last: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(f"base: {{dataset: mnist, model: cnn}}\nseeds: {count}\n")
    show_planned_runs(make_plan(read_sweep(file), RunStore(tmp_path / "results" / "s")))
    lines = capsys.readouterr().out.rstrip("\n").split("\n")
    assert len([line for line in lines if "not run yet" in line]) == shown
    assert last is None or lines[-1] == last
