"""Programs in the manner of each kind: run by their sweep file, each metric is there step by step."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ruamel.yaml import YAML

from cnnjobs.disk.run_folder import RunState
from tests.programs.conftest import Runs

EXAMPLES = Path(__file__).parent / "examples"
# All of them bring one weight from 1 to 0 by gradient descent at a rate of 0.25.
LOSSES = (1.0, 0.25, 0.0625, 0.015625)


def needs(*libraries: str) -> Any:
    missing = [each for each in libraries if importlib.util.find_spec(each) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}: pip install -e '.[programs]'")


def execute(runs: Runs, name: str) -> None:
    """Execute the first run of an example's sweep in a copy of its folder, which is the working folder."""
    shutil.copytree(EXAMPLES / name, Path.cwd(), dirs_exist_ok=True)
    sweep = YAML(typ="safe").load(Path("sweep.yaml"))
    metric = SimpleNamespace(best=False, **sweep.pop("metric"))
    parameters = {key: _first(value) for key, value in sweep.pop("parameters").items()}
    keys = {key: value for key, value in sweep.items() if key != "method"}
    assert runs.attempt(**keys, metric=metric, parameters=parameters) is RunState.FINISHED, runs.said


def _first(value: dict[str, Any]) -> Any:
    if "parameters" in value:
        return {key: _first(each) for key, each in value["parameters"].items()}
    return value["value"] if "value" in value else value["values"][0]


@pytest.mark.parametrize(
    ("name", "metric", "expected", "source"),
    [
        ("argparse_wandb", "loss", zip((0, 1, 2), LOSSES, strict=False), "wandb"),
        ("wandb_config", "val.loss", zip((0, 10, 20), LOSSES, strict=False), "wandb, wandb.summary"),
        ("click_options", "loss", zip((0, 1, 2), LOSSES, strict=False), "cnnjobs.log"),
        ("plain_print", "loss", zip((1, 2, 3), (1, 0.25, 0.0625), strict=True), "stdout"),
        ("shell", "loss", zip((0, 1, 2), LOSSES, strict=False), "CNNJOBS_METRICS"),
        ("tensorboard_only", "val/loss", zip((0, 1, 2), LOSSES, strict=False), "TensorBoard"),
        pytest.param(
            "hydra_overrides", "loss", zip((0, 1, 2), LOSSES, strict=False), "TensorBoard", marks=needs("hydra")
        ),
        pytest.param(
            *("lightning_csv", "val_loss", zip((0, 1, 2), LOSSES[1:], strict=True)),
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
            *("hugging_face", "eval/loss", zip((1, 2, 3), LOSSES[1:], strict=True), "trainer_state.json"),
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
