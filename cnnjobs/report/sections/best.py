"""The best configuration as a sweep file of its own: started as it is, it trains the very same runs again."""

from __future__ import annotations

import json
from typing import Any, Final

from cnnjobs.config.program import ProgramConfig
from cnnjobs.config.run import RunConfig
from cnnjobs.report.results.table import Choice, ResultsTable
from cnnjobs.report.text import numbers

_LONGEST_NAME: Final = 100
_SUFFIX: Final = "-best"


def best_sweep(table: ResultsTable, ranked: list[Choice]) -> str:
    """The text of best.yaml: every setting written out, all seeds; "" while no run has finished."""
    if not ranked:
        return ""
    sweep, choice = table.sweep, ranked[0]
    config = choice.configuration.runs[0].config
    metric = {"name": sweep.metric.name, "goal": sweep.metric.goal, **({"best": True} if sweep.metric.best else {})}
    measured = numbers.mean_and_sd(choice.metric, choice.summary)
    keys: dict[str, Any] = {
        "name": sweep.name[: _LONGEST_NAME - len(_SUFFIX)] + _SUFFIX,
        "description": f"The best of {sweep.name}: {choice.configuration.label}",
        "metric": metric if sweep.metric.target is None else {**metric, "target": sweep.metric.target},
        **(_program(config) if isinstance(config, ProgramConfig) else _network(config)),
        "seeds": [run.config.seed for run in choice.configuration.runs],
    }
    if keys["seeds"] == [None]:
        del keys["seeds"]
    if sweep.report.targets:
        keys["report"] = {"targets": {name: list(values) for name, values in sweep.report.targets.items()}}
    if sweep.job.profile or sweep.job.overrides:
        keys["job"] = {**({"profile": sweep.job.profile} if sweep.job.profile else {}), **sweep.job.overrides}
    seeds = numbers.counted(choice.summary.n, "seed")
    head = f"# Chosen by {numbers.metric_name(choice.metric)}, {measured} over {seeds} that finished.\n"
    return head + "".join(_lines(key, value) for key, value in keys.items())


def _network(config: RunConfig) -> dict[str, Any]:
    """Defaults too: with others, a later version still trains the same runs."""
    return {"base": {key: value for key, value in config.nested().items() if key != "seed"}}


def _program(config: ProgramConfig) -> dict[str, Any]:
    keys = config.model_dump(mode="json", exclude={"parameters", "seed", "metric"}, exclude_defaults=True)
    values = {key: _parameter(value) for key, value in config.parameters.items()}
    return {**keys, "command": list(config.command), "method": "grid", **({"parameters": values} if values else {})}


def _parameter(value: Any) -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {"parameters": {key: _parameter(each) for key, each in value.items()}}
    return {"value": value}


def _lines(key: str, value: Any) -> str:
    """One key of the file; a mapping with a line for each of its own keys."""
    if key not in ("base", "parameters"):
        return f"{key}: {_flow(value)}\n"
    return f"{key}:\n" + "".join(f"  {inner}: {_flow(each)}\n" for inner, each in value.items())


def _flow(value: Any) -> str:
    # JSON is YAML, and letters stay letters: YAML knows no pairs of surrogates.
    return json.dumps(value, ensure_ascii=False)
