"""The parts of a sweep file beside its runs: the metric, the job.

metric: {name: validation.accuracy, goal: maximize}        # these are the defaults
job: {profile: slurm-gpu, max_parallel: 8}                 # jobs/slurm-gpu.yaml, and settings over it
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from cnnjobs.config.profile import PROFILE_KEYS, check_settings
from cnnjobs.config.yaml import Findings, Node, is_mapping, known_keys, number_in, shown
from cnnjobs.errors import suggest

METRICS: Final = (
    "train.loss", "train.accuracy", "validation.loss", "validation.accuracy", "test.loss", "test.accuracy",
)  # fmt: skip
SHARES: Final = tuple(name for name in METRICS if name.endswith(".accuracy"))
"""Those that readers see in percent."""


@dataclass(frozen=True)
class Metric:
    """Metric that the best run of a sweep is chosen by."""

    name: str = "validation.accuracy"
    goal: Literal["maximize", "minimize"] = "maximize"
    target: float | None = None
    best: bool = False
    """Whether a program's best value counts, and not its last one."""

    @property
    def is_of_validation(self) -> bool:
        """True if it needs validation images."""
        return self.name.startswith("validation.")

    @property
    def in_training(self) -> Metric:
        """The same measured on the training images."""
        return replace(self, name=self.name.replace("validation.", "train."))


@dataclass(frozen=True)
class JobSettings:
    """The profile that the sweep asks for, and its own settings over it."""

    profile: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict)

    def under(self, profile: str | None, overrides: Mapping[str, Any]) -> JobSettings:
        """The same under another profile, if there is one, and more settings."""
        return JobSettings(profile or self.profile, {**self.overrides, **overrides})


def number(
    node: Node, place: str, findings: Findings, *, low: float = -math.inf, high: float = math.inf
) -> float | None:
    """The number that stands at `node`, or a mistake."""
    value = node.value
    if type(value) in (int, float) and math.isfinite(value) and low <= value <= high:
        return float(value)
    bounds = [f"{low:g} or more" if low > -math.inf else "", f"at most {high:g}" if high < math.inf else ""]
    remedy = " ".join(("allowed: a number,", " and ".join(filter(None, bounds)))).rstrip(" ,")
    if number_in(value) is not None:
        remedy = f"write {value} without quotes"
    elif high == 1 and type(value) in (int, float) and 1 < value <= 100:
        remedy = f"accuracies are fractions: did you mean {value / 100:g}?"
    findings.mistake(node.line, place, f"found {shown(node.plain)}", remedy)
    return None


def whole_number(node: Node, place: str, findings: Findings, *, low: int) -> int | None:
    """The whole number of at least `low` that stands at `node`, or a mistake."""
    if type(node.value) is int and node.value >= low:
        return node.value
    if node.value is None:
        findings.mistake(node.line, place, "empty", "fill it or leave the key out")
    elif number_in(node.value) is not None:
        findings.mistake(node.line, place, f"found the text {shown(node.value)}", f"write {node.value} without quotes")
    else:
        remedy = f"allowed: a whole number, {low} or more"
        findings.mistake(node.line, place, f"found {shown(node.plain)}", remedy)
    return None


def text(node: Node, place: str, findings: Findings) -> str:
    """The text that stands at `node`, or a mistake."""
    if isinstance(node.value, str) and node.value:
        return node.value
    if node.value in (None, ""):
        findings.mistake(node.line, place, "empty", "fill it or leave the key out")
    else:
        findings.mistake(node.line, place, f"found {shown(node.plain)}", "allowed: a text (a number needs quotes)")
    return ""


def known_metric(node: Node, name: str, place: str, findings: Findings, allowed: Sequence[str] = METRICS) -> bool:
    """Check whether it is one of our metrics; names that other tools use (`val_acc`) are recognised."""
    if name in METRICS:
        return True
    words = set(re.split(r"[\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))
    split = "train" if words & {"train", "training"} else "test" if words & {"test", "testing"} else "validation"
    measure = "loss" if "loss" in words else "accuracy" if words & {"acc", "accuracy", "top1"} else None
    split = split if f"{split}.loss" in allowed else "validation"
    remedy = f"did you mean `{split}.{measure}`? allowed: {', '.join(allowed)}" if measure else suggest(name, allowed)
    findings.mistake(node.line, place, f"no metric is called `{name}`", remedy)
    return False


def read_metric(node: Node, findings: Findings) -> Metric:
    """`metric: {name, goal, target}`; the name alone will do."""
    if isinstance(node.value, str) and node.value:
        node = Node({"name": node}, node.line)
    keys = known_keys(node, "metric", ("name", "goal", "target", "impute"), findings)
    if not keys:
        return Metric()
    if "impute" in keys:
        findings.notice(keys["impute"].line, "metric.impute", "passed over: failed runs are listed and never ranked")
    goal = keys.get("goal", Node(None, None))
    if "goal" in keys and goal.value not in ("maximize", "minimize"):
        remedy = suggest(str(goal.value), ("maximize", "minimize"))
        findings.mistake(goal.line, "metric.goal", f"found {shown(goal.plain)}", remedy)
    if "name" not in keys:
        findings.mistake(node.line, "metric.name", "missing", f"allowed: {', '.join(METRICS[:4])}")
        return Metric()
    name = text(keys["name"], "metric.name", findings)
    if not name or not known_metric(keys["name"], name, "metric.name", findings, METRICS[:4]):
        return Metric()
    if name.startswith("test."):
        remedy = f"the test split is read once, at the end: choose by {name.replace('test.', 'validation.')}"
        findings.mistake(keys["name"].line, "metric.name", f"`{name}` cannot choose between runs", remedy)
    best: Literal["maximize", "minimize"] = "minimize" if name.endswith("loss") else "maximize"
    if goal.value in {"maximize", "minimize"} - {best}:
        findings.mistake(goal.line, "metric.goal", f"found {goal.value} for `{name}`", f"write {best}")
    if "target" not in keys:
        return Metric(name, best)
    target = number(keys["target"], "metric.target", findings, low=0, high=1 if best == "maximize" else math.inf)
    found = "shown in the report; every run trains to its end, also when it is reached"
    findings.notice(keys["target"].line, "metric.target", found)
    return Metric(name, best, target)


def read_job(node: Node, findings: Findings) -> JobSettings:
    """`job: {profile, ...}`: the settings are those of a profile file."""
    if not is_mapping(node, "job", findings):
        return JobSettings()
    settings = {key: each for key, each in node.value.items() if key != "profile"}
    unknown = [key for key in settings if key not in PROFILE_KEYS]
    for key in unknown:
        findings.mistake(settings[key].line, f"job.{key}", "unknown key", suggest(key, ("profile", *PROFILE_KEYS)))
    known = Node({key: each for key, each in settings.items() if key not in unknown}, node.line)
    if known.value:
        check_settings(known, "job", findings)
    profile = text(node.value["profile"], "job.profile", findings) if "profile" in node.value else None
    return JobSettings(profile, known.plain)
