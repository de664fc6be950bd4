from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cnnjobs.disk.code_walk import imported_modules, reached
from cnnjobs.errors import InputError
from cnnjobs.report.build import build_report
from cnnjobs.report.bundle import entries, write_archive

if TYPE_CHECKING:
    from conftest import Results

NETWORK = """
from torch import nn
from mine.blocks import block
from . import extra
import numpy, json

class Net(nn.Sequential):
    def __init__(self, in_channels: int, num_classes: int, image_size: tuple[int, int]) -> None:
        super().__init__(nn.Flatten(), nn.Linear(784, num_classes))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder with a network in a package, and a data set beside it."""
    package = tmp_path / "mine"
    (package / "data").mkdir(parents=True)
    files = {"__init__": "", "net": NETWORK, "blocks": "def block(): ...", "extra": "import mine.net", "other": ""}
    for name, text in files.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    (package / "data" / "train.npz").write_bytes(b"images")
    (tmp_path / "notes.md").write_text("# Feedback\n\nFine.\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def bundled(folder: Path, make_results: Callable[..., Results]) -> Results:
    results = make_results(
        "name: own\nbase: {dataset: fashion_mnist_mini, model: 'mine.net:Net', epochs: 1}\nseeds: 2\n"
        "report: {notes: notes.md}\n",
        drawn=False,
    )
    results.write_all()
    return results


def test_modules_of_ones_own_come_with_what_they_import(folder: Path, bundled: Results) -> None:
    modules = imported_modules(run.config for run in bundled.sweep.runs)
    assert modules == ["mine.net"]
    names = sorted(reached(modules, folder).files)
    assert names == ["mine/__init__.py", "mine/blocks.py", "mine/extra.py", "mine/net.py"]
    assert reached(["torch", "gone.away"], folder).files == {}


def test_what_is_packed(folder: Path, bundled: Results) -> None:
    table = bundled.table()
    built = build_report(table, formats=["md"])
    found = entries([table], built, folder, "none")
    runs = [f"own/runs/{run.run_id}/" for run in bundled.sweep.runs]
    expected = {"own/sweep.yaml", "own/notes.md", "own/best.yaml", "own/results.csv", "own/tables/runs.tex"}
    expected |= {f"{run}{name}" for run in runs for name in ("config.yaml", "record.json", "metrics.jsonl")}
    assert expected | {"mine/net.py"} <= found.keys()
    assert not [name for name in found if name.endswith((".npz", ".pt", ".pth", ".html")) or "data" in name]
    with pytest.raises(InputError, match="weights are gone"):
        entries([table], built, folder, "all")
    for run in bundled.sweep.runs:
        bundled.store.run(run.run_id).model_file.write_bytes(b"weights")
    with_models = entries([table], built, folder, "best")
    assert with_models.keys() - found.keys() == {f"{run}model.pth" for run in runs}


def test_the_archive_is_the_same_every_time(folder: Path, bundled: Results) -> None:
    table = bundled.table()
    found = entries([table], build_report(table, formats=["md"]), folder, "none")
    for name in ("one.zip", "two.zip"):
        write_archive(folder / name, found)
    assert (folder / "one.zip").read_bytes() == (folder / "two.zip").read_bytes()
    with zipfile.ZipFile(folder / "one.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted(found)
        assert archive.read("mine/net.py").decode() == NETWORK
    assert not [*folder.glob("*.tmp"), *folder.glob(".*.tmp")]


def test_models_of_a_sweep_without_results(results: Results, folder: Path) -> None:
    table = results.table()
    with pytest.raises(InputError, match="no run of comparison has finished; leave --models out"):
        entries([table], build_report(table, formats=["md"]), folder, "best")
