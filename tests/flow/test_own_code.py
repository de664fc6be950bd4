"""The user's own code of a run: copied when it is submitted, compared whenever the run is looked at again."""

from __future__ import annotations

import os
import signal
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Project

NETS = """\
import json
from pathlib import Path

from torch import nn

from .parts import scale

TABLE = json.loads((Path(__file__).parent / "table.json").read_text())


class Net(nn.Module):
    def __init__(self, in_channels: int, num_classes: int):
        super().__init__()
        self.head = nn.Linear(in_channels, num_classes)

    def forward(self, images):
        from mine.later import late

        return late(scale(self.head(images.mean((2, 3))))) * TABLE["factor"]
"""
PARTS = "def scale(logits):\n    return logits * 1\n"
SWEEP = """\
name: shades
base: {dataset: shades, model: "mine.nets:Net", lr: 0.01, batch_size: 8, epochs: %d}
seeds: %d
job: {cpus_per_run: 1, max_parallel: 1}
"""


@pytest.fixture
def own(project: Project) -> Project:
    """A project with a network in a package of the user's own."""
    package = project.path / "mine"
    package.mkdir()
    (package / "nets.py").write_text(NETS)
    (package / "parts.py").write_text(PARTS)
    (package / "later.py").write_text("def late(logits):\n    return logits\n")
    (package / "table.json").write_text('{"factor": 1}')
    (package / "unused.py").write_text("")
    project.write(SWEEP % (1, 2))
    return project


def codes(project: Project) -> list[str | None]:
    return [record["code"] for record in project.records()]


def metrics(project: Project) -> list[Any]:
    return [record["metrics"] for record in project.records()]


def copy_of(project: Project, hash: str | None) -> Path:
    return project.store / "code" / str(hash)


def test_an_edit_is_told_and_old_code_is_kept(own: Project) -> None:
    done = own.call("local", "shades.yaml", "--no-report")
    assert done.returncode == 0, done.stderr
    (first,) = {*codes(own)}
    files = [file.relative_to(copy_of(own, first)).as_posix() for file in copy_of(own, first).rglob("*")]
    assert sorted(files) == ["mine", "mine/later.py", "mine/nets.py", "mine/parts.py", "mine/table.json"]
    before = metrics(own)

    # Every answer turned round: what the old weights say under the new code is something else altogether.
    (own.path / "mine" / "parts.py").write_text(PARTS.replace("* 1", "* -1"))
    own.write(SWEEP % (1, 3))
    asked = own.call("local", "shades.yaml", "--no-report")
    told = "2 finished, kept, but mine/parts.py has changed since: --code new trains them again, --code kept goes on"
    assert told in asked.stderr
    assert "1 new run begins with the code as it is now" in asked.stderr
    assert sorted(codes(own).count(code) for code in {*codes(own)}) == [1, 2]

    evaluated = own.call("evaluate", "seed=0")
    assert "mine/parts.py has changed since; the code of that time is used" in evaluated.stderr
    (record,) = [each for each in own.records() if each["evaluations"]]
    assert record["code"] == first
    assert record["evaluations"]["shades/test"]["metrics"]["accuracy"] == record["metrics"]["test.accuracy"]
    assert "mine/parts.py has changed since" in own.call("export", "seed=0", "-o", "x.pth").stderr

    bundled = own.call("bundle", "shades.yaml", "-o", "x.zip")
    assert bundled.returncode == 0, bundled.stderr
    assert "mine/parts.py is not the same for all runs" in (own.store / "report" / "report.md").read_text()
    with zipfile.ZipFile(own.path / "x.zip") as archive:
        packed = {name for name in archive.namelist() if name.endswith("parts.py")}
    assert packed == {f"shades/code/{code}/mine/parts.py" for code in {*codes(own)}}

    kept = own.call("local", "shades.yaml", "--no-report", "--code", "new")
    assert "shades: 3 runs: 2 to run again, 1 finished" in kept.stdout
    assert len({*codes(own)}) == 1
    assert codes(own)[0] != first
    assert metrics(own) != before


def test_a_run_goes_on_with_its_own_code(own: Project) -> None:
    own.write(SWEEP % (400, 1))
    launcher = own.start("local", "shades.yaml", "--no-report")
    own.await_epochs(2)
    os.killpg(launcher.pid, signal.SIGINT)
    own.finish(launcher)
    (first,) = codes(own)
    # Whoever imports it now fails.
    (own.path / "mine" / "parts.py").write_text("raise SystemExit('edited')")
    done = own.call("local", "shades.yaml", "--no-report")
    assert done.returncode == 0, done.stderr
    assert "1 to go on with the code that they began with: mine/parts.py has changed since" in done.stderr
    (record,) = own.records()
    assert (record["state"], record["code"]) == ("finished", first)
    assert record["attempts"][1]["from_epoch"] > 0

    # The old code for runs that are new, too.
    own.write(SWEEP % (400, 1) + "early_terminate: {type: hyperband, min_iter: 1}\n")
    kept = own.call("local", "shades.yaml", "--no-report", "--code", "kept", "--dry-run")
    assert "1 finished, kept, with the old code: mine/parts.py has changed since" in kept.stderr
