"""Settings of a sweep's report.

report:
  targets: {test.accuracy: [0.75, 0.8]}                    # what a run should reach: a number or several
  figures: [curves, compare]                               # default: all
  curves: all                                              # drawn one by one: the best 3, so many, or all
  titles: {compare: "Task 3 d: before and after"}
  order: [networks, results, compare]                      # these first, then the others
  ylim: {curves: [0, 2]}
  notes: notes.md                                          # Markdown, beside the sweep file
  template: my.typ                                         # how the PDF looks, beside the sweep file
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cnnjobs.config.yaml import Findings, Node, is_list, is_mapping, known_keys, shown
from cnnjobs.errors import suggest
from cnnjobs.sweep.settings import known_metric, number, text

# Configurations whose curves are drawn one by one, the best first, where the file names no number.
FEW_CURVES: Final = 3
# What a report has: figures, and sections with their usual titles.
FIGURES: Final = ("overview", "search", "parallel", "parameters", "curves", "rates", "compare", "speed")
SECTIONS: Final[Mapping[str, str]] = {
    "unfinished": "Runs without a result",
    "results": "Results",
    "search": "Search",
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
_WITH_LIMITS: Final = tuple(figure for figure in FIGURES if figure not in ("parallel", "rates", "speed"))
_LIMITS: Final = (*_WITH_LIMITS, *_AXES, *(f"{figure}.{axis}" for figure in _WITH_LIMITS for axis in _AXES))


@dataclass(frozen=True)
class ReportSettings:
    """Settings of a sweep's report."""

    targets: dict[str, tuple[float, ...]] = field(default_factory=dict)
    figures: tuple[str, ...] = ()
    titles: dict[str, str] = field(default_factory=dict)
    ylim: dict[str, tuple[float, float]] = field(default_factory=dict)
    notes: Path | None = None
    template: Path | None = None
    order: tuple[str, ...] = ()
    curves: int | None = FEW_CURVES
    """How many configurations are drawn one by one; None for all."""

    @property
    def sections(self) -> dict[str, str]:
        """The titles of all sections by their ids: what has gone wrong, those that `order` names, the others."""
        titles = {**SECTIONS, **self.titles}
        first = () if "unfinished" in self.order else ("unfinished",)
        return {id_: titles[id_] for id_ in (*first, *self.order, *SECTIONS)}


def read_report(node: Node, folder: Path, findings: Findings, *, any_metric: bool = False) -> ReportSettings:
    """`report: {targets, figures, curves, titles, order, ylim, notes, template}`; programs may have `any_metric`."""
    allowed = ("targets", "figures", "curves", "titles", "order", "ylim", "notes", "template")
    keys = known_keys(node, "report", allowed, findings)
    titles = {
        name: text(each, f"report.titles.{name}", findings)
        for name, each in _entries(keys, "titles", findings)
        if _is_known(each, name, "titles", SECTIONS, findings)
    }
    return ReportSettings(
        _read_targets(keys, findings, any_metric=any_metric),
        _read_names(keys, "figures", FIGURES, findings),
        titles,
        _read_ylim(keys, findings),
        _read_file(keys, "notes", folder, findings),
        _read_file(keys, "template", folder, findings),
        _read_names(keys, "order", SECTIONS, findings),
        _read_curves(keys["curves"], findings) if "curves" in keys else FEW_CURVES,
    )


def _read_curves(node: Node, findings: Findings) -> int | None:
    """A number of configurations, or `all` of them."""
    if node.value == "all":
        return None
    if type(node.value) is int and node.value >= 1:
        return node.value
    remedy = f"allowed: all, or a whole number, 1 or more (without the key: {FEW_CURVES})"
    findings.mistake(node.line, "report.curves", f"found {shown(node.plain)}", remedy)
    return FEW_CURVES


def _read_names(keys: dict[str, Node], key: str, allowed: Collection[str], findings: Findings) -> tuple[str, ...]:
    """A list of what the report has."""
    if key not in keys or not is_list(keys[key], f"report.{key}", findings, f"[{next(iter(allowed))}]"):
        return ()
    names = [(each, text(each, f"report.{key}", findings)) for each in keys[key].value]
    return tuple(name for each, name in names if name and _is_known(each, name, key, allowed, findings))


def _entries(keys: dict[str, Node], key: str, findings: Findings) -> list[tuple[str, Node]]:
    """Entries of one mapping of `report`."""
    if key not in keys or not is_mapping(keys[key], f"report.{key}", findings):
        return []
    return list(keys[key].value.items())


def _is_known(node: Node, name: str, key: str, allowed: Collection[str], findings: Findings) -> bool:
    """Check whether the report has what one key of `report` names; else a mistake."""
    if name in allowed:
        return True
    kind = "section" if allowed is SECTIONS else "figure"
    findings.mistake(node.line, f"report.{key}", f"no {kind} is called `{name}`", suggest(name, allowed))
    return False


def _read_targets(keys: dict[str, Node], findings: Findings, *, any_metric: bool) -> dict[str, tuple[float, ...]]:
    targets = {}
    for name, node in _entries(keys, "targets", findings):
        place = f"report.targets.{name}"
        low, high = (-math.inf, math.inf) if any_metric else (0, 1 if name.endswith("accuracy") else math.inf)
        if any_metric or known_metric(node, name, place, findings):
            each = node.value if isinstance(node.value, list) else [node]
            values = [number(one, place, findings, low=low, high=high) for one in each]
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
