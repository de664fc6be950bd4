"""Settings of a user's own program in a sweep file: its command, and how it reports.

program: train.py
command: [${env}, ${interpreter}, ${program}, ${args}]       # W&B's default; may be left out
metric: {name: val_acc, goal: maximize}                      # any name that the program reports
seeds: 3                                                     # each as --seed, or as seed_argument names it
collect: {csv: "**/metrics.csv"}                             # where it reports in no way that is found by itself
resume: [--resume, "${checkpoint_dir}/last.ckpt"]            # arguments for a start that goes on
workdir: run                                                 # a working folder for each run; else the common one
launch: torchrun                                             # one process for each of job.gpus_per_run
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from cnnjobs.config.kinds import AnyConfig
from cnnjobs.config.mistakes import KeyMistake
from cnnjobs.config.program import DEFAULT_COMMAND, ProgramConfig, ProgramMetric
from cnnjobs.config.yaml import Findings, Node, known_keys, shown
from cnnjobs.errors import suggest
from cnnjobs.sweep.overrides import Layer, Naming
from cnnjobs.sweep.settings import Metric, number, text

PROGRAM_KEYS: Final = ("program", "command", "seed_argument", "collect", "resume", "workdir", "launch")
_COLLECT: Final = ("csv", "json", "stdout")
_NO_PARAMETER: Final = "seed"


def names_program(keys: Mapping[str, Any]) -> bool:
    """Check whether a sweep file is about a program of the user's own."""
    return "program" in keys or "command" in keys


@dataclass(frozen=True)
class ProgramReader:
    """Settings of a sweep -> the run of the program that they make."""

    template: ProgramConfig
    names: Naming

    def __call__(self, settings: Layer) -> AnyConfig | list[KeyMistake]:
        """The configuration of one run; `seed` among the settings is its seed where it is a whole number."""
        parameters: dict[str, Any] = {}
        seed = None
        for key, node in sorted(settings.items()):
            value = _plain(node.plain)
            if key in (_NO_PARAMETER, self.template.seed_argument) and type(value) is int:
                seed = value
                continue
            *above, last = self.names.paths.get(key, (key,))
            place = parameters
            for name in above:
                place = place.setdefault(name, {})
                if not isinstance(place, dict):
                    return [KeyMistake(key, f"`{name}` has a value and parameters of its own", "keep one of them")]
            place[last] = value
        return self.template.model_copy(update={"parameters": parameters, "seed": seed})


def read_program(keys: dict[str, Node], metric: Metric, findings: Findings) -> ProgramConfig:
    """Read the program that every run of the sweep calls; errors become mistakes."""
    program = text(keys["program"], "program", findings) if "program" in keys else None
    command = _read_command(keys["command"], findings) if "command" in keys else DEFAULT_COMMAND
    if program:
        _check_program(program, keys["program"], command, findings)
    elif "${program}" in command:
        line = keys["command"].line if "command" in keys else None
        findings.mistake(line, "command", "has ${program}, and the file names none", "write program: train.py")
    _check_start(command, keys.get("command"), findings)
    asked = ProgramMetric(name=metric.name, goal=metric.goal, best=metric.best) if metric.name else None
    return ProgramConfig(
        program=program,
        command=command,
        seed_argument=text(keys["seed_argument"], "seed_argument", findings) if "seed_argument" in keys else "seed",
        metric=asked,
        collect=_read_collect(keys["collect"], findings) if "collect" in keys else {},
        resume=_texts(keys["resume"], "resume", findings) if "resume" in keys else (),
        workdir=_choice(keys, "workdir", ("start", "run"), findings),
        launch=_choice(keys, "launch", ("once", "torchrun"), findings),
    )


def read_program_metric(node: Node, findings: Findings) -> Metric:
    """`metric: {name, goal, best, target}` of a program: any name, and W&B's goal where none is given."""
    if isinstance(node.value, str) and node.value:
        node = Node({"name": node}, node.line)
    keys = known_keys(node, "metric", ("name", "goal", "best", "target", "impute", "impute_while_running"), findings)
    for key in ("impute", "impute_while_running"):
        if key in keys:
            findings.notice(keys[key].line, f"metric.{key}", "passed over: failed runs are listed and never ranked")
    if keys and "name" not in keys:
        findings.mistake(node.line, "metric.name", "missing", "write the name that the program reports")
    name = text(keys["name"], "metric.name", findings) if "name" in keys else ""
    if name and "goal" not in keys:
        told = f"missing, and less {name} is better then, as with W&B; for the other way write goal: maximize"
        findings.notice(node.line, "metric.goal", told)
    goal = _choice(keys, "goal", ("minimize", "maximize"), findings, place="metric.goal")
    best = keys["best"].value if "best" in keys else False
    if not isinstance(best, bool):
        findings.mistake(keys["best"].line, "metric.best", f"found {shown(best)}", "allowed: true or false")
    target = number(keys["target"], "metric.target", findings) if "target" in keys else None
    if target is not None:
        findings.notice(keys["target"].line, "metric.target", "shown in the report; runs go on also when it is reached")
    return Metric(name, goal, target, best=best is True)


def _read_command(node: Node, findings: Findings) -> tuple[str | int | float, ...]:
    """W&B's list of words and macros."""
    if isinstance(node.value, str) and node.value:
        remedy = f"write a list: command: [{', '.join(node.value.split())}]"
        findings.mistake(node.line, "command", f"found the text {shown(node.value)}", remedy)
        return DEFAULT_COMMAND
    if not isinstance(node.value, list) or not node.value:
        remedy = f"a list of words, for example [{', '.join(DEFAULT_COMMAND)}]"
        findings.mistake(node.line, "command", "empty" if not node.value else f"found {shown(node.plain)}", remedy)
        return DEFAULT_COMMAND
    words: list[str | int | float] = []
    for number_, each in enumerate(node.value):
        value = each.value
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            remedy = "allowed: a text or a number; true and null need quotes"
            findings.mistake(each.line, f"command.{number_}", f"found {shown(each.plain)}", remedy)
        else:
            words.append(value)
    return tuple(words)


def _check_program(program: str, node: Node, command: tuple[Any, ...], findings: Findings) -> None:
    path = Path(program)
    if findings.is_started or "${program}" not in command:
        return
    if path.is_dir():
        remedy = "name the file in it that is to be run"
        findings.mistake(node.line, "program", f"{program} is a folder", remedy)
    elif not path.is_file():
        beside = Path(findings.file).parent / program
        there = f"there is {beside}: start cnnjobs in {beside.parent}, " if beside.is_file() else ""
        remedy = f"{there}or write its path from {Path.cwd()}".removeprefix("or ")
        findings.mistake(node.line, "program", f"no file {program} in {Path.cwd()}", remedy)
    elif _first(command) == "${program}" and not os.access(path, os.X_OK):
        remedy = f"chmod +x {program}, or name its interpreter in command:"
        findings.mistake(node.line, "program", f"{program} is not executable, and the command begins with it", remedy)


def _check_start(command: tuple[Any, ...], node: Node | None, findings: Findings) -> None:
    """Say where what a command begins with is not found here: a node may have it."""
    first = _first(command)
    if node is None or first is None or findings.is_started or str(first).startswith("${"):
        return
    if shutil.which(str(first)) is None:
        findings.notice(node.line, "command", f"`{first}` is not found here; where the runs are sent it has to be")


def _first(command: tuple[Any, ...]) -> Any:
    return next((each for each in command if each != "${env}"), None)


def _read_collect(node: Node, findings: Findings) -> dict[str, tuple[str, ...]]:
    keys = known_keys(node, "collect", _COLLECT, findings)
    found = {key: _texts(each, f"collect.{key}", findings) for key, each in keys.items()}
    for pattern in found.get("stdout", ()):
        _check_pattern(pattern, keys["stdout"], findings)
    return found


def _check_pattern(pattern: str, node: Node, findings: Findings) -> None:
    remedy = r"name each metric by a group, as in 'epoch (?P<epoch>\d+).*acc (?P<acc>[\d.]+)'"
    try:
        if not re.compile(pattern).groupindex:
            findings.mistake(node.line, "collect.stdout", f"{pattern} names no metric", remedy)
    except re.error as error:
        findings.mistake(node.line, "collect.stdout", f"{pattern} is no regular expression: {error}", remedy)


def _texts(node: Node, place: str, findings: Findings) -> tuple[str, ...]:
    """A text, or a list of texts."""
    items = node.value if isinstance(node.value, list) else [node]
    return tuple(found for each in items if (found := text(each, place, findings)))


def _choice(
    keys: Mapping[str, Node], key: str, allowed: tuple[Any, ...], findings: Findings, *, place: str | None = None
) -> Any:
    """One of the allowed words; the first where there is none."""
    if key not in keys:
        return allowed[0]
    node = keys[key]
    if node.value in allowed:
        return node.value
    findings.mistake(node.line, place or key, f"found {shown(node.plain)}", suggest(str(node.value), allowed))
    return allowed[0]


def _plain(value: Any) -> Any:
    """A value as JSON knows it: YAML's dates as texts."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value
