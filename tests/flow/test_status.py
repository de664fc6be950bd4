"""`cnnjobs status`, by eye and for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Project


def test_nothing_was_started(project: Project) -> None:
    done = project.call("status")
    assert done.returncode == 2
    assert done.stderr == "error: no sweep was started under results; start the first one with: cnnjobs local\n"


def test_every_sweep_in_a_line_and_the_latest_in_detail(finished: Project) -> None:
    finished.write(finished.sweep.replace("name: shades", "name: later"))
    (finished.results / "later").mkdir()
    (finished.results / "later/sweep.yaml").write_text((finished.path / "shades.yaml").read_text())
    done = finished.call("status")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:3] == ["later   2 runs: 2 pending", "shades  2 runs: 2 finished", "later: 2 runs: 2 pending"]
    assert lines[-1] == "next: cnnjobs local later"


def test_json(trained: Project) -> None:
    done = trained.call("status", "shades", "--json")
    assert done.returncode == 0, done.stderr
    (sweep,) = json.loads(done.stdout)["sweeps"]
    assert (sweep["name"], sweep["counts"], sweep["next"]) == ("shades", {"finished": 2}, "cnnjobs report shades")
    assert [run["label"] for run in sweep["runs"]] == ["seed=0", "seed=1"]
    for run in sweep["runs"]:
        assert run["best"] == run["final"]["validation.accuracy"]
        assert (run["state"], run["epoch"], run["epochs"], run["attempts"]) == ("finished", 40, 40, 1)
