"""cnnjobs: from one YAML file to a finished report.

sweeps/x.yaml --read--> Sweep --expand--> [RunConfig] --plan against what is on disk--> Plan
   --submit with a JobProfile--> jobs --on the node--> Trainer --append--> results/<sweep>/<run_id>/
   --collect--> ResultsTable --build--> results/<sweep>/report/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cnnjobs.report.loaded import SweepResults
    from cnnjobs.training.trained.network import TrainedNetwork


def load(folder: str | Path) -> SweepResults:
    """The results of a sweep, `results/<sweep>`: runs, history and configurations as pandas frames, and its figures."""
    from pathlib import Path

    from cnnjobs.report import loaded

    return loaded.load(Path(folder))


def load_model(path: str | Path, device: str = "cpu") -> TrainedNetwork:
    """The trained network of a file that `cnnjobs export` wrote, or of a run's folder, with its preprocessing."""
    from pathlib import Path

    import torch

    from cnnjobs.training.trained import export

    return export.load_model(Path(path), torch.device(device))


def log(metrics: Mapping[str, Any] | None = None, step: float | None = None, **more: Any) -> None:
    """Metrics of a program that runs in a sweep, `log(step=3, loss=0.4)` or `log({"val/acc": 0.9}, step=3)`.

    They are in the run's metrics.jsonl at once. Without a step it is the next one; outside of a run they go nowhere.
    """
    from cnnjobs.programs.metrics.child import cnnjobs_channel

    cnnjobs_channel.log(metrics, step, **more)
