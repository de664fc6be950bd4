"""Own code on real daemons: a job that waits trains with what was submitted, whatever the file says by then."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cluster import Cluster
from project import SHADES, Shades, finish

pytestmark = pytest.mark.slurm

NETS = """\
from torch import nn


def head(channels, classes):
    return nn.Linear(channels, classes)


class Net(nn.Module):
    def __init__(self, in_channels: int, num_classes: int):
        super().__init__()
        self.head = head(in_channels, num_classes)

    def forward(self, images):
        return self.head(images.mean((2, 3)))
"""
OTHER = NETS.replace("nn.Linear(channels, classes)", "nn.Sequential(nn.Linear(channels, 4), nn.Linear(4, classes))")


def test_a_job_that_waits_trains_with_what_was_submitted(
    slurm: Cluster, project: Shades, waiting: Callable[[], None]
) -> None:
    nets = project.path / "mine" / "nets.py"
    nets.parent.mkdir()
    nets.write_text(NETS)
    sweep = SHADES.replace("{name: cnn, filters: [4], hidden: []}", '"mine.nets:Net"')
    project.sweep_file.write_text(sweep % 2)
    project.sweep("partition=low")
    (first,) = project.store.codes.hashes()
    nets.write_text(OTHER)
    project.sweep_file.write_text(sweep % 3)
    said = project.sweep("partition=low")
    assert "2 in the queue, to train with the code that they were submitted with: mine/nets.py has changed" in said
    assert "1 new run begins with the code as it is now" in said
    # Neither of the two: whoever imports the file itself fails.
    nets.write_text("raise SystemExit('the file itself')\n")
    waiting()
    finish(project, slurm)
    records = {folder.run_id: folder.read_record() for folder in project.store.runs()}
    codes = [record.code for record in records.values()]
    assert codes[:2] == [first, first]
    assert codes[2] == project.store.codes.latest() != first

    nets.write_text(OTHER)
    said = project.sweep("partition=low")
    told = "2 finished, kept, but mine/nets.py has changed since: --code new trains them again, --code kept goes on"
    assert told in said
    assert "nothing to submit: 3 finished" in said
    project.call("sweep", project.sweep_file.name, "--code", "new", "--set", "job.partition=low")
    finish(project, slurm)
    assert {folder.read_record().code for folder in project.store.runs()} == {codes[2]}
    assert [len(folder.read_record().attempts) for folder in project.store.runs()] == [2, 2, 1]
    assert "has changed since" not in project.sweep("partition=low")
