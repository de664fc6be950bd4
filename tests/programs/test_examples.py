"""Programs in the manner of each kind, on the pages too, run by their sweep files: each metric is there at its step."""

from __future__ import annotations

import csv
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.disk.run_folder import RunState
from cnnjobs.sweep.file import read_sweep
from tests.programs.conftest import Runs

EXAMPLES, DOCS = Path(__file__).parent / "examples", Path(__file__).parents[2] / "docs"
# All of them bring one weight from 1 to 0 by gradient descent at a rate of 0.25.
LOSSES = (1.0, 0.25, 0.0625, 0.015625)


def needs(*libraries: str) -> Any:
    missing = [each for each in libraries if importlib.util.find_spec(each) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}: pip install -e '.[programs]'")


def write_page(name: str) -> None:
    """Write the files of a page into the working folder."""
    for file, content in re.findall(r"```\w+\n# (\S+)\n(.*?)```", (DOCS / name).read_text("utf-8"), re.DOTALL):
        Path(file).parent.mkdir(exist_ok=True)
        Path(file).write_text(content, "utf-8")


def execute(runs: Runs, name: str) -> None:
    """Execute the first run of an example's sweep, that of a folder or of a page, in the working folder."""
    if name.endswith(".md"):
        write_page(name)
    else:
        shutil.copytree(EXAMPLES / name, Path.cwd(), dirs_exist_ok=True)
    config = read_sweep(Path("sweep.yaml")).runs[0].config
    assert runs.attempt(**config.model_dump()) is RunState.FINISHED, runs.said


@pytest.mark.parametrize(
    ("name", "metric", "expected", "source"),
    [
        ("from-wandb.md", "loss", zip((0, 1, 2), LOSSES, strict=False), "wandb"),
        ("wandb_config", "val.loss", zip((0, 10, 20), LOSSES, strict=False), "wandb, wandb.summary"),
        ("click_options", "loss", zip((0, 1, 2), LOSSES, strict=False), "cnnjobs.log"),
        ("from-a-shell-loop.md", "loss", zip((1, 2, 3), (1, 0.25, 0.0625), strict=True), "stdout"),
        ("shell", "loss", zip((0, 1, 2), LOSSES, strict=False), "CNNJOBS_METRICS"),
        ("tensorboard_only", "val/loss", zip((0, 1, 2), LOSSES, strict=False), "TensorBoard"),
        pytest.param(
            "from-hydra.md", "loss", zip((0, 1, 2), LOSSES, strict=False), "TensorBoard", marks=needs("hydra")
        ),
        pytest.param(
            *("lightning.md", "val_loss", zip((0, 1, 2), LOSSES[1:], strict=True)),
            "CSV lightning_logs/version_0/metrics.csv",
            marks=needs("lightning"),
        ),
        pytest.param(
            *("lightning_cli", "train_loss", zip((0, 1, 2), LOSSES, strict=False), "TensorBoard"),
            marks=needs("lightning", "jsonargparse"),
        ),
        pytest.param(
            "keras_csv", "loss", zip((0, 1, 2), LOSSES, strict=False), "CSV training.log", marks=needs("keras")
        ),
        pytest.param(
            *("hugging-face.md", "eval/loss", zip((1, 2, 3), LOSSES[1:], strict=True), "trainer_state.json"),
            marks=needs("transformers", "accelerate"),
        ),
    ],
)
def test_an_example_reports_every_step(runs: Runs, name: str, metric: str, expected: Any, source: str) -> None:
    expected = list(expected)
    execute(runs, name)
    assert [(step, pytest.approx(value)) for step, value in expected] == runs.values(metric)
    assert runs.record.metrics[metric] == pytest.approx(expected[-1][1])
    assert f"metrics came by {source}" in runs.record.notes


def test_the_page_of_wandb_ends_in_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_page("from-wandb.md")
    done = subprocess.run(
        [sys.executable, "-m", "cnnjobs", "local", "sweep.yaml"],
        env={**os.environ, "WANDB_MODE": "disabled"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "results" / "sweep" / "report" / "tables" / "runs.csv").open() as file:
        values = {row["lr"]: float(row["loss"]) for row in csv.DictReader(file)}
    assert values == {"0.25": 0.0625, "0.125": 0.3164}
