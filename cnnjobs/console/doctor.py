"""Findings of `doctor`: one line each, problems with what to do."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Final

from rich.text import Text

from cnnjobs.console.terminal import out, say, written
from cnnjobs.setup.doctor import Diagnosis
from cnnjobs.setup.finding import Finding

_STYLES: Final = {"ok": "green", "note": "yellow", "problem": "bold red"}
_WIDTH: Final = len("problem")


def show_diagnosis(diagnosis: Diagnosis) -> None:
    """A line per finding, its remedy below it, and how many problems there are."""
    topic = max(len(finding.topic) for finding in diagnosis.findings)
    for finding in diagnosis.findings:
        _show(finding, topic)
    number = diagnosis.num_problems
    if not number:
        say("no problem: runs can start here", style="green")
    else:
        say("1 problem" if number == 1 else f"{number} problems", style="bold red")


def _show(finding: Finding, topic_width: int) -> None:
    line = Text(finding.level.ljust(_WIDTH), style=_STYLES[finding.level])
    indent = "\n" + " " * (_WIDTH + topic_width + 4)
    line.append(f"  {finding.topic.ljust(topic_width)}  ", style="bold")
    line.append(finding.text.replace("\n", indent), style="default")
    if finding.remedy:
        line.append(indent + "→ " + finding.remedy.replace("\n", indent + "  "), style="default")
    with written(out()):
        out().print(line, soft_wrap=True)


def show_diagnosis_json(diagnosis: Diagnosis) -> None:
    """All of it for programs; memory in MB, times in minutes."""
    place = {"name": diagnosis.place.name, "reason": diagnosis.place.reason}
    findings = [asdict(finding) for finding in diagnosis.findings]
    cluster = asdict(diagnosis.offer) if diagnosis.offer else None
    found = {"place": place, "problems": diagnosis.num_problems, "findings": findings, "cluster": cluster}
    say(json.dumps(found, indent=1))
