"""The same whole run as a Hydra application, for `hydra/launcher=submitit_local`; one thread each.

python -m benchmarks.hydra_run -m hydra/launcher=submitit_local data=FOLDER epochs=2 lr=0.001,0.01
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING


@dataclass
class Options:
    """Options of the command line; results go to `<out>/<lr>.json`."""

    data: str = MISSING
    out: str = MISSING
    model: str = "lenet5"
    epochs: int = 1
    lr: float = 0.01


ConfigStore.instance().store(name="options", node=Options)


@hydra.main(version_base=None, config_path=None, config_name="options")
def run(options: Options) -> None:
    """One run of the sweep."""
    from benchmarks import plain_run

    out = Path(options.out) / f"{options.lr}.json"
    plain_run.train(plain_run.PlainRun(options.data, options.model, options.lr, options.epochs, out, threads=1))


if __name__ == "__main__":
    run()
