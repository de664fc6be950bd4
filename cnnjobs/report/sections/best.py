"""The best configuration as a sweep file of its own: started as it is, it trains the very same runs again."""

from __future__ import annotations

import json
from typing import Any, Final

from cnnjobs.report.results.table import Choice, ResultsTable
from cnnjobs.report.text import numbers as wording

_LONGEST_NAME: Final = 100
_SUFFIX: Final = "-best"


def best_sweep(table: ResultsTable, ranked: list[Choice]) -> str:
    """The text of best.yaml: every setting written out, all seeds; "" while no run has finished."""
    if not ranked:
        return ""
    sweep, choice = table.sweep, ranked[0]
    # Defaults too: with others, a later version still trains the same runs.
    base = {key: value for key, value in choice.configuration.runs[0].config.nested().items() if key != "seed"}
    metric = {"name": sweep.metric.name, "goal": sweep.metric.goal}
    measured = wording.mean_and_sd(choice.metric, choice.summary)
    keys: dict[str, Any] = {
        "name": sweep.name[: _LONGEST_NAME - len(_SUFFIX)] + _SUFFIX,
        "description": f"The best of {sweep.name}: {choice.configuration.label}",
        "metric": metric if sweep.metric.target is None else {**metric, "target": sweep.metric.target},
        "base": base,
        "seeds": [run.config.seed for run in choice.configuration.runs],
    }
    if sweep.report.targets:
        keys["report"] = {"targets": {name: list(values) for name, values in sweep.report.targets.items()}}
    if sweep.job.profile or sweep.job.overrides:
        keys["job"] = {**({"profile": sweep.job.profile} if sweep.job.profile else {}), **sweep.job.overrides}
    seeds = wording.counted(choice.summary.n, "seed")
    head = f"# Chosen by {wording.metric_name(choice.metric)}, {measured} over {seeds} that finished.\n"
    return head + "".join(_lines(key, value) for key, value in keys.items())


def _lines(key: str, value: Any) -> str:
    """One key of the file; a mapping with a line for each of its own keys."""
    if key != "base":
        return f"{key}: {_flow(value)}\n"
    return f"{key}:\n" + "".join(f"  {inner}: {_flow(each)}\n" for inner, each in value.items())


def _flow(value: Any) -> str:
    # JSON is YAML, and letters stay letters: YAML knows no pairs of surrogates.
    return json.dumps(value, ensure_ascii=False)
