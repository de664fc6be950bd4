"""Programs in the manner of each kind, in tests/programs/examples and on the pages: what each reports, and how."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

EXAMPLES, DOCS = Path(__file__).parents[1] / "programs" / "examples", Path(__file__).parents[2] / "docs"
# All of them bring one weight from 1 to 0 by gradient descent at a rate of 0.25.
LOSSES = (1.0, 0.25, 0.0625, 0.015625)


def steps(at: Any, values: Any) -> list[tuple[float, float]]:
    return list(zip(at, values, strict=False))


def needs(*libraries: str) -> Any:
    missing = [each for each in libraries if importlib.util.find_spec(each) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}: pip install -e '.[programs]'")


def write_page(name: str, folder: Path) -> None:
    """Write the files of a page into a folder."""
    for file, content in re.findall(r"```\w+\n# (\S+)\n(.*?)```", (DOCS / name).read_text("utf-8"), re.DOTALL):
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(content, "utf-8")


def write_example(name: str, folder: Path) -> None:
    """Write an example, a folder or a page, into this one."""
    if name.endswith(".md"):
        write_page(name, folder)
    else:
        shutil.copytree(EXAMPLES / name, folder, dirs_exist_ok=True)


# Name, metric, its values by step, and what the record says of where they came from.
REPORTS: list[Any] = [
    ("from-wandb.md", "loss", steps((0, 1, 2), LOSSES), "wandb"),
    ("wandb_config", "val.loss", steps((0, 10, 20), LOSSES), "wandb, wandb.summary"),
    ("click_options", "loss", steps((0, 1, 2), LOSSES), "cnnjobs.log"),
    ("from-a-shell-loop.md", "loss", steps((1, 2, 3), (1, 0.25, 0.0625)), "stdout"),
    ("shell", "loss", steps((0, 1, 2), LOSSES), "CNNJOBS_METRICS"),
    ("tensorboard_only", "val/loss", steps((0, 1, 2), LOSSES), "TensorBoard"),
    pytest.param("from-hydra.md", "loss", steps((0, 1, 2), LOSSES), "TensorBoard", marks=needs("hydra")),
    pytest.param(
        *("lightning.md", "val_loss", steps((0, 1, 2), LOSSES[1:])),
        "CSV lightning_logs/version_0/metrics.csv",
        marks=needs("lightning"),
    ),
    pytest.param(
        *("lightning_cli", "train_loss", steps((0, 1, 2), LOSSES), "TensorBoard"),
        marks=needs("lightning", "jsonargparse"),
    ),
    pytest.param("keras_csv", "loss", steps((0, 1, 2), LOSSES), "CSV training.log", marks=needs("keras")),
    pytest.param(
        *("hugging-face.md", "eval/loss", steps((1, 2, 3), LOSSES[1:]), "trainer_state.json"),
        marks=needs("transformers", "accelerate"),
    ),
]
