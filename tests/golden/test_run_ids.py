"""A run keeps its name from version to version: a changed default is seen here before it makes everyone train again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from cnnjobs import registry
from cnnjobs.config.run import RunConfig, read_config
from cnnjobs.sweep.file import read_sweep

# One of its options has to be given.
AUGMENT = {"resize": {"name": "resize", "size": 64}}
GOLDEN = Path(__file__).with_name("run_ids.json")


def _configs() -> dict[str, dict[str, Any]]:
    """One run with every registered component that needs no options, and one that sets everything."""
    base = {"dataset": "cifar10", "model": "cnn"}
    configs: dict[str, dict[str, Any]] = {"defaults": base, "any folder of images": {**base, "dataset": "flowers"}}
    for kind in ("dataset", "model", "loss", "optimizer", "schedule", "augmentation"):
        for name, component in sorted(registry.components(kind).items()):
            if all(parameter.default is not registry.REQUIRED for parameter in component.parameters.values()):
                change = {"augment": [AUGMENT.get(name, name)]} if kind == "augmentation" else {kind: name}
                configs[f"{kind} {name}"] = {**base, **change}
    configs["everything set"] = {
        "dataset": {"name": "mnist", "validation": 0.2},
        "augment": [{"name": "crop", "padding": 2}, "flip"],
        "model": {"name": "cnn", "filters": [8, 16, 32], "batch_norm": True},
        "loss": {"name": "cross_entropy", "label_smoothing": 0.1},
        "optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True},
        "lr": 1e-2, "weight_decay": 5e-4, "schedule": "cosine", "batch_size": 128, "drop_last": False, "epochs": 3,
        "validate_every": 0.5, "early_stopping": 4, "precision": "bfloat16", "seed": 7,
    }  # fmt: skip
    return configs


def test_golden_run_ids() -> None:
    found = {}
    for name, nested in _configs().items():
        config = read_config(nested)
        assert isinstance(config, RunConfig), config
        found[name] = {"run_id": config.run_id, "config": config.nested()}
    if os.environ.get("CNNJOBS_GOLDEN") == "write":
        lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in found.items())
        GOLDEN.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    expected = json.loads(GOLDEN.read_text(encoding="utf-8"))
    changed = {name: found.get(name) for name in {*expected, *found} if expected.get(name) != found.get(name)}
    assert not changed, (
        f"these runs have another name or other defaults than before: {json.dumps(changed, indent=1)}\n"
        "Results that users have are no longer found. If that is meant, write the file again with: make golden"
    )


def test_random_draws_are_those_of_earlier_versions(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(
        "method: random\nrun_cap: 6\nsampling_seed: 3\nbase: {dataset: mnist, model: cnn}\nparameters:\n"
        "  lr: {distribution: log_uniform_values, min: 0.001, max: 0.1}\n  batch_size: {values: [16, 32, 64]}\n"
        "  optimizer.momentum: {min: 0.0, max: 0.9}\n"
    )
    assert [run.run_id.removeprefix("cnn-mnist-sgd-") for run in read_sweep(file).runs] == [
        "lr0.0297998-s0-f49239fd",
        "lr0.00451116-s0-e2d9193a",
        "lr0.02188-s0-74115df5",
        "lr0.0163176-s0-146998c3",
        "lr0.0230566-s0-51824516",
        "lr0.0174744-s0-7cdf6948",
    ]
