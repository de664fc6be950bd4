"""tests/golden/wandb_hyperband.jsonl: runs that W&B's own engine stops, one worker, 1,000 random searches.

Needs `pip install sweeps==0.3.0` and numpy below 2, in an environment of its own; from the project's root:

    python tools/make_hyperband_golden.py
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from sweeps.hyperband_stopping import hyperband_stop_runs
from sweeps.run import RunState, SweepRun

GOLDEN = Path("tests/golden/wandb_hyperband.jsonl")


def random_curves(draw: Random) -> list[list[float]]:
    """Falling, rising and level ones, rounded so that some values are equal."""
    curves = []
    for _ in range(draw.randint(1, 14)):
        end, pace, noise = draw.uniform(-1, 2), draw.uniform(0.02, 1), draw.choice([0, 0.02, 0.3])
        values = [end + (1 - end) * (1 - pace) ** step + draw.gauss(0, noise) for step in range(draw.randint(1, 20))]
        curves.append([round(value, draw.choice([1, 2])) for value in values])
    return curves


def lengths(curves: list[list[float]], keys: dict[str, Any], goal: str) -> list[int]:
    """Number of iterations of each run, one run after the other."""
    metric, early = {"name": "m", "goal": goal}, {"type": "hyperband", **keys}
    config = {"method": "grid", "metric": metric, "early_terminate": early, "parameters": {"a": {"values": [1]}}}
    done: list[SweepRun] = []
    for curve in curves:
        run = SweepRun(state=RunState.running, history=[])
        for value in curve:
            run.history.append({"m": value})
            if len(run.history) < len(curve) and run in hyperband_stop_runs([*done, run], config):
                break
        run.state = RunState.finished
        done.append(run)
    return [len(run.history) for run in done]


def main() -> None:
    """Write the file anew."""
    draw, lines = Random(15), []
    for _ in range(1000):
        goal, strict = draw.choice(["minimize", "maximize"]), draw.choice([True, False])
        keys: dict[str, Any] = {"eta": draw.choice([2, 3, 3, 4, 1.5, 2.5]), "strict": strict}
        keys |= {"min_iter": draw.randint(1, 6)} if draw.random() < 0.7 else {"max_iter": 20, "s": draw.randint(1, 4)}
        curves = random_curves(draw)
        trial = {"goal": goal, "keys": keys, "curves": curves, "lengths": lengths(curves, keys, goal)}
        lines.append(json.dumps(trial, separators=(",", ":")))
    GOLDEN.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
