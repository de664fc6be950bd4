"""A network in a user's own folder, with weights of its own: it trains, goes on, and stands in the report."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Project

NETWORK = '''
from torch import nn


class Brightness(nn.Module):
    """Logits from the mean of what a convolution sees."""

    def __init__(self, in_channels: int, num_classes: int, *, filters: int = 4):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(in_channels, filters, 3), nn.BatchNorm2d(filters), nn.ReLU())
        self.head = nn.Linear(filters, num_classes)

    def forward(self, images):
        return self.head(self.features(images).mean((2, 3)))
'''
SWEEP = """\
name: shades
base:
  dataset: shades
  model: {name: "mine.networks:Brightness", filters: 6}
  lr: 0.01
  batch_size: 8
  epochs: 40
seeds: 1
job: {cpus_per_run: 1, max_parallel: 1}
"""


def test_a_network_of_ones_own_trains_goes_on_and_passes_its_weights_on(project: Project) -> None:
    (project.path / "mine").mkdir()
    (project.path / "mine" / "networks.py").write_text(NETWORK)
    project.write(SWEEP)
    launcher = project.start("local", "shades.yaml", "--no-report")
    project.await_epochs(2)
    os.killpg(launcher.pid, signal.SIGINT)
    project.finish(launcher)
    done = project.call("local", "shades.yaml")
    assert done.returncode == 0, done.stderr
    (record,) = project.records()
    assert len(record["attempts"]) == 2
    assert record["attempts"][1]["from_epoch"] > 0
    assert record["metrics"]["test.accuracy"] > 0.9
    report = (project.store / "report" / "report.html").read_text()
    assert "mine.networks:Brightness" in report
    assert "features.1" in report

    # Another sweep starts from what this one learned, and trains its head alone.
    later = SWEEP.replace("name: shades", "name: later").replace("epochs: 40", "epochs: 1")
    later = later.replace("  lr:", f"  weights: run:{record['run_id']}\n  freeze: {{all_but: [head]}}\n  lr:")
    (project.path / "later.yaml").write_text(later)
    assert project.call("local", "later.yaml", "--no-report").returncode == 0
    (file,) = (project.results / "later").glob("*/record.json")
    told = json.loads(file.read_bytes())
    assert told["preprocessing"] == record["preprocessing"]
    assert told["metrics"]["test.accuracy"] > 0.9
    assert told["notes"][1:] == [f"images are normalised by the mean and std of run {record['run_id']}"]


def test_a_network_that_does_not_fit_its_images_names_the_layer(project: Project) -> None:
    (project.path / "mine.py").write_text(
        NETWORK.replace("nn.Linear(filters, num_classes)", "nn.Linear(filters + 1, num_classes)")
    )
    project.write(SWEEP.replace("mine.networks:", "mine:"))
    done = project.call("local", "shades.yaml", "--no-report")
    assert done.returncode == 2
    assert "error: shades.yaml:4: model: model `mine:Brightness` cannot" in done.stderr
    assert not (project.store / "sweep.yaml").exists()
    assert (
        "model `mine:Brightness` cannot take images (3, 16, 16): its layer head (Linear) fails on what" in done.stderr
    )
