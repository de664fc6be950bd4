"""A report of networks whose layers were kept when they trained."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from cnnjobs.disk.layer_tables import LayerTables
from cnnjobs.report.build import build_report
from cnnjobs.report.sections.architectures import unrecorded
from cnnjobs.training.networks.layer_table import built_layers, layer_table

if TYPE_CHECKING:
    from conftest import Results

torch.set_num_threads(1)
_NOT_KEPT = "comparison: 2 networks built for the report: no table of layers was kept in training"


class Odd(nn.Module):
    """A convolution with a word for its padding, pooling before an activation, a layer that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.spare = nn.Conv2d(1, 4, 3, padding="same", dilation=2), nn.Linear(3, 3)
        self.pool, self.drop, self.act = nn.MaxPool2d(2), nn.Dropout(0.3), nn.LeakyReLU(0.2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.drop(self.act(self.pool(self.conv(images)))).flatten(1)


def keep(results: Results) -> None:
    """Keep the layers as training does."""
    for run in results.sweep.runs:
        file = results.store.networks.file(run.config, (1, 28, 28), 10, None)
        assert file
        results.store.networks.write(file, built_layers(run.config, (1, 28, 28), 10))


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    table, tables = layer_table(Odd(), (1, 8, 8)), LayerTables(tmp_path / "networks")
    assert table.layers[0].design.padding == "same"
    assert table.layers[0].design.pooled_first == ("pool",)
    assert not table.layers[-1].called
    tables.write(tmp_path / "networks" / "odd.json", table)
    assert tables.read(tmp_path / "networks" / "odd.json") == table


def test_the_report_says_the_same_and_loads_no_torch(results: Results) -> None:
    results.write_all()
    built = build_report(results.table(), formats=["md"])
    assert built.notices == (_NOT_KEPT,)
    before = (built.folder / "report.md").read_bytes()
    assert b"multiply-accumulates" in before
    keep(results)
    assert len(list(results.store.networks.path.iterdir())) == 2
    program = (
        "import sys; from cnnjobs.cli.main import run\n"
        f"sys.argv = ['cnnjobs', 'report', 'comparison', '--results', {str(results.store.path.parent)!r}]\n"
        "try: run()\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "built for the report" not in done.stderr + done.stdout
    assert (built.folder / "report.md").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"{", b'{"layers": 5}', b"\xff"])
def test_a_damaged_table_is_named_and_the_network_is_built(results: Results, content: bytes) -> None:
    results.write_all()
    keep(results)
    first = results.store.networks.file(results.sweep.runs[0].config, (1, 28, 28), 10, None)
    assert first
    before = (build_report(results.table(), formats=["md"]).folder / "report.md").read_bytes()
    first.write_bytes(content)
    built = build_report(results.table(), formats=["md"])
    (told,) = built.notices
    assert told.startswith(f"{first} is damaged (")
    assert (built.folder / "report.md").read_bytes() == before


def test_runs_that_never_started_have_no_network_to_build(results: Results) -> None:
    assert unrecorded(results.table()) == []
