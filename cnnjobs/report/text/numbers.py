"""Numbers and values as a reader sees them: accuracies in percent, spread beside every mean."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Final

from cnnjobs.report.results.statistics import Summary
from cnnjobs.sweep.settings import METRICS, SHARES

NOTHING: Final = "–"


def metric_name(metric: str) -> str:
    """`validation.accuracy` -> `validation accuracy`; the name that a program gave stays as it is."""
    return metric.replace(".", " ") if metric in METRICS else metric


def as_heading(metric: str) -> str:
    """`Validation accuracy`; the name that a program gave stays as it is."""
    name = metric_name(metric)
    return name[:1].upper() + name[1:] if metric in METRICS else metric


def is_share(metric: str) -> bool:
    """Check whether the metric is a fraction shown in percent; of a program's own metrics that is not known."""
    return metric in SHARES


def number(metric: str, value: float | None) -> str:
    """One value of a metric: `74.31 %` or `0.8123`."""
    if value is None or math.isnan(value):
        return NOTHING
    return f"{100 * value:.2f} %" if is_share(metric) else f"{value:.4f}"


def share(value: float) -> str:
    """A share of a whole: `93.5 %`."""
    return f"{100 * value:.1f} %"


def mean_and_sd(metric: str, summary: Summary) -> str:
    """`74.31 ± 0.42 %`; the mean alone where there is no spread."""
    if summary.n < 2:
        return number(metric, summary.mean)
    if is_share(metric):
        return f"{100 * summary.mean:.2f} ± {100 * summary.sd:.2f} %"
    return f"{summary.mean:.4f} ± {summary.sd:.4f}"


def change(metric: str, value: float) -> str:
    """A difference with its sign: `+1.20 points` of percent, or `−0.0310`."""
    text = f"{100 * value:+.2f} points" if is_share(metric) else f"{value:+.4f}"
    return text.replace("-", "−")


def interval(metric: str, summary: Summary) -> str:
    """A 95 % interval of differences: `+0.43 to +1.97 points`."""
    if summary.n < 2:
        return NOTHING
    low = change(metric, summary.low).removesuffix(" points")
    return f"{low} to {change(metric, summary.high)}"


def value_text(value: Any) -> str:
    """A value of the configuration as YAML's flow style writes it; of components `crop(padding 4) + flip`."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(map(_is_component, value)):
        return " + ".join(map(value_text, value))
    if _is_component(value):
        options = ", ".join(f"{key} {value_text(each)}" for key, each in value.items() if key != "name")
        return f"{value['name']}({options})" if options else str(value["name"])
    return json.dumps(value, ensure_ascii=False)


def _is_component(value: Any) -> bool:
    return isinstance(value, dict) and "name" in value


def brief(value: Any) -> str:
    """The same with six digits of a float, as in the labels of runs."""
    return f"{value:.6g}" if isinstance(value, float) else value_text(value)


def counted(count: int, noun: str) -> str:
    """`1 run`, `3 runs`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""


def duration(seconds: float) -> str:
    """`45 s`, `2 min 05 s`, `3 h 20 min`."""
    if math.isnan(seconds):
        return NOTHING
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60:,} h {minutes % 60:02} min"


def quantity(count: float) -> str:
    """A large count in three digits: `1.81 G`, `29.1 M`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {letter}"
    return f"{count:.0f}"
