"""The parts of a sweep file beside its runs: the metric, early_terminate, the report, the job.

metric: {name: validation.accuracy, goal: maximize}        # these are the defaults
report:
  targets: {test.accuracy: [0.75, 0.8]}                    # what a run should reach: a number or several
  figures: [curves, compare]                               # default: all
  titles: {compare: "Task 3 d: before and after"}
  order: [networks, results, compare]                      # these first, then the others
  ylim: {curves: [0, 2]}
  notes: notes.md                                          # Markdown, beside the sweep file
  template: my.typ                                         # how the PDF looks, beside the sweep file
job: {profile: slurm-gpu, max_parallel: 8}                 # jobs/slurm-gpu.yaml, and settings over it
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from cnnjobs.errors import suggest
from cnnjobs.spec.profile import PROFILE_KEYS, check_settings
from cnnjobs.spec.reading import Findings, Node, is_list, is_mapping, known_keys, number_in, shown

METRICS: Final = (
    "train.loss", "train.accuracy", "validation.loss", "validation.accuracy", "test.loss", "test.accuracy",
)  # fmt: skip
# What a report has: figures, and sections with their usual titles.
FIGURES: Final = ("overview", "parallel", "parameters", "curves", "rates", "compare")
SECTIONS: Final[Mapping[str, str]] = {
    "unfinished": "Runs without a result",
    "results": "Results",
    "parameters": "Parameters",
    "changes": "What each change brings",
    "compare": "Before and after",
    "curves": "Curves",
    "fitting": "Over- or underfitting",
    "scores": "Class by class",
    "learned": "What the network has learned",
    "configuration": "Configuration",
    "networks": "Networks",
    "notes": "Notes",
    "cost": "Cost",
    "environment": "Environment",
    "references": "References",
    "feedback": "Feedback",
}
_AXES: Final = ("loss", "accuracy")
_WITH_LIMITS: Final = tuple(figure for figure in FIGURES if figure not in ("parallel", "rates"))
_LIMITS: Final = (*_WITH_LIMITS, *_AXES, *(f"{figure}.{axis}" for figure in _WITH_LIMITS for axis in _AXES))


@dataclass(frozen=True)
class Metric:
    """What the best run of a sweep is chosen by."""

    name: str = "validation.accuracy"
    goal: Literal["maximize", "minimize"] = "maximize"
    target: float | None = None


@dataclass(frozen=True)
class ReportSettings:
    """What the sweep file says about its report."""

    targets: dict[str, tuple[float, ...]] = field(default_factory=dict)
    figures: tuple[str, ...] = ()
    titles: dict[str, str] = field(default_factory=dict)
    ylim: dict[str, tuple[float, float]] = field(default_factory=dict)
    notes: Path | None = None
    template: Path | None = None
    order: tuple[str, ...] = ()

    @property
    def sections(self) -> dict[str, str]:
        """The titles of all sections by their ids: what has gone wrong, those that `order` names, the others."""
        titles = {**SECTIONS, **self.titles}
        first = () if "unfinished" in self.order else ("unfinished",)
        return {id_: titles[id_] for id_ in (*first, *self.order, *SECTIONS)}


@dataclass(frozen=True)
class JobSettings:
    """The profile that the sweep asks for, and its own settings over it."""

    profile: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict)


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
    """Whether it is one of our metrics; names that other tools use (`val_acc`) are recognised."""
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


def read_early_terminate(node: Node, findings: Findings) -> None:
    """Check W&B's `early_terminate`, and say that it is not applied."""
    allowed = ("type", "min_iter", "max_iter", "s", "eta")
    keys = known_keys(node, "early_terminate", allowed, findings)
    if not keys:
        return
    if keys.get("type", Node(None, None)).value != "hyperband":
        line = keys["type"].line if "type" in keys else node.line
        found = f"found {shown(keys['type'].plain)}" if "type" in keys else "missing"
        findings.mistake(line, "early_terminate.type", found, "allowed: hyperband")
    if "min_iter" not in keys and not {"max_iter", "s"} <= keys.keys():
        findings.mistake(node.line, "early_terminate", "neither min_iter nor max_iter with s", "give one of the two")
    for key, low in (("min_iter", 1), ("max_iter", 1)):
        if key in keys:
            whole_number(keys[key], f"early_terminate.{key}", findings, low=low)
    if "s" in keys:
        number(keys["s"], "early_terminate.s", findings, low=0)
    if "eta" in keys and number(keys["eta"], "early_terminate.eta", findings, low=1) == 1:
        findings.mistake(keys["eta"].line, "early_terminate.eta", "found 1", "allowed: a number above 1")
    told = "not applied: every run trains to its end; `early_stopping` ends a run that no longer gets better"
    findings.notice(node.line, "early_terminate", told)


def read_report(node: Node, folder: Path, findings: Findings) -> ReportSettings:
    """`report: {targets, figures, titles, order, ylim, notes, template}`."""
    allowed = ("targets", "figures", "titles", "order", "ylim", "notes", "template")
    keys = known_keys(node, "report", allowed, findings)
    titles = {
        name: text(each, f"report.titles.{name}", findings)
        for name, each in _entries(keys, "titles", findings)
        if _is_known(each, name, "titles", SECTIONS, findings)
    }
    return ReportSettings(
        _read_targets(keys, findings),
        _read_names(keys, "figures", FIGURES, findings),
        titles,
        _read_ylim(keys, findings),
        _read_file(keys, "notes", folder, findings),
        _read_file(keys, "template", folder, findings),
        _read_names(keys, "order", SECTIONS, findings),
    )


def _read_names(keys: dict[str, Node], key: str, allowed: Collection[str], findings: Findings) -> tuple[str, ...]:
    """A list of what the report has."""
    if key not in keys or not is_list(keys[key], f"report.{key}", findings, f"[{next(iter(allowed))}]"):
        return ()
    names = [(each, text(each, f"report.{key}", findings)) for each in keys[key].value]
    return tuple(name for each, name in names if name and _is_known(each, name, key, allowed, findings))


def _entries(keys: dict[str, Node], key: str, findings: Findings) -> list[tuple[str, Node]]:
    """What stands in one mapping of `report`."""
    if key not in keys or not is_mapping(keys[key], f"report.{key}", findings):
        return []
    return list(keys[key].value.items())


def _is_known(node: Node, name: str, key: str, allowed: Collection[str], findings: Findings) -> bool:
    """Whether the report has what one key of `report` names; else a mistake."""
    if name in allowed:
        return True
    kind = "section" if allowed is SECTIONS else "figure"
    findings.mistake(node.line, f"report.{key}", f"no {kind} is called `{name}`", suggest(name, allowed))
    return False


def _read_targets(keys: dict[str, Node], findings: Findings) -> dict[str, tuple[float, ...]]:
    targets = {}
    for name, node in _entries(keys, "targets", findings):
        place = f"report.targets.{name}"
        high = 1 if name.endswith("accuracy") else math.inf
        if known_metric(node, name, place, findings):
            each = node.value if isinstance(node.value, list) else [node]
            values = [number(one, place, findings, low=0, high=high) for one in each]
            targets[name] = tuple(sorted({value for value in values if value is not None}))
    return targets


def _read_ylim(keys: dict[str, Node], findings: Findings) -> dict[str, tuple[float, float]]:
    limits = {}
    for name, node in _entries(keys, "ylim", findings):
        if not _is_known(node, name, "ylim", _LIMITS, findings):
            continue
        values = [each.value for each in node.value] if isinstance(node.value, list) else []
        if len(values) == 2 and all(type(value) in (int, float) for value in values) and values[0] < values[1]:
            limits[name] = (float(values[0]), float(values[1]))
        else:
            remedy = "allowed: the lower and the upper end, for example [0, 2]"
            findings.mistake(node.line, f"report.ylim.{name}", f"found {shown(node.plain)}", remedy)
    return limits


def _read_file(keys: dict[str, Node], key: str, folder: Path, findings: Findings) -> Path | None:
    """A file beside the sweep file, in sweeps/ or from here; without it there is a report all the same."""
    if key not in keys:
        return None
    name = text(keys[key], f"report.{key}", findings)
    # A started sweep is read from its copy under results/, which lies elsewhere.
    for place in (folder / name, Path("sweeps") / name, Path(name)):
        if name and place.is_file():
            return place
    if name:
        findings.notice(keys[key].line, f"report.{key}", f"no file {folder / name}; the report is built without it")
    return None


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
