"""Sweeps that stand in commands: DVC's queue, Hydra's multirun, Guild's runs, and loops of a shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from cnnjobs.config.run import RunConfig, our_name
from cnnjobs.sweep.other_tools.form import Foreign, Form, Range, flow, guarded, parsed, unused
from cnnjobs.sweep.other_tools.hydra import override
from cnnjobs.sweep.other_tools.tuners import read_form

_SET: Final = ("-S", "--set-param")
_MULTIRUN: Final = ("-m", "--multirun")
_TRIALS: Final = ("-m", "--max-trials")
_LOOP: Final = re.compile(r"\bfor\s+(\w+)\s+in\s+([^;\n]+?)\s*(?:;|\n)\s*do\b")
_BRACES: Final = re.compile(r"\{(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?\}")
_SEQ: Final = re.compile(r"(?:\$\(|`)\s*seq\s+([-\d ]+)(?:\)|`)")
_FOR: Final = {"dvc": "DVC", "hydra": "Hydra's multirun", "guild": "Guild"}


class _Command(NamedTuple):
    tool: str
    settings: dict[str, str]
    trials: int | None = None


def commands_in(value: Any) -> list[str]:
    """The texts below a value, line by line."""
    if isinstance(value, str):
        return [line.strip() for line in value.replace("\\\n", " ").splitlines() if line.strip()]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [line for each in inner for line in commands_in(each)]


def read_commands(value: Any) -> tuple[str, dict[str, Foreign]] | None:
    """Name of such a file, and its sweeps: one for each command that spans several runs; None for another file."""
    if isinstance(value, str) and (looped := _loop(value)) is not None:
        return "a loop of a shell", {"": looped}
    read = [command for line in commands_in(value) if (command := _command(line)) is not None]
    if not read:
        return None
    name = f"a list of commands of {_FOR[read[0].tool]}"
    sweeps = [_sweep(command) for command in read]
    if all(not sweep.parameters and sweep.base for sweep in sweeps) and len(sweeps) > 1:
        rows = {" ".join(f"{key}={value}" for key, value in sweep.base.items()): dict(sweep.base) for sweep in sweeps}
        return name, {"": Foreign(variants=rows)}
    named: dict[str, Foreign] = {}
    for sweep in sweeps:
        named[unused("", named) if sweeps[1:] else ""] = sweep
    return name, named


def _command(line: str) -> _Command | None:
    try:
        words = shlex.split(line.lstrip("-$ "), comments=True) if not line.startswith("-S") else shlex.split(line)
    except ValueError:
        return None
    if words[:3] in (["dvc", "exp", "run"], ["dvc", "queue", "run"]) or words[:1] == ["-S"]:
        return _Command("dvc", dict(_pairs([value for key, value in _options(words) if key in _SET])))
    if words[:2] == ["guild", "run"]:
        trials = next((value for key, value in _options(words) if key in _TRIALS and value.isdigit()), None)
        return _Command("guild", dict(_pairs(words[2:])), int(trials) if trials else None)
    if set(words) & set(_MULTIRUN) and any(word.startswith("python") or word.endswith(".py") for word in words):
        return _Command("hydra", dict(_pairs(words)))
    return None


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    for word, following in zip(words, [*words[1:], ""], strict=True):
        key, equals, value = word.partition("=")
        yield (key, value) if equals and key in _SET else (word, following)


def _pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name and not name.startswith("-"):
            # DVC names the file before a colon; its sections and Hydra's groups have no counterpart in a run.
            name = name.rpartition(":")[2].lstrip("+~")
            last = name.rpartition(".")[2]
            yield last if our_name(last) in RunConfig.model_fields else name, value


def _sweep(command: _Command) -> Foreign:
    sweep = Foreign()
    for name, text in command.settings.items():
        form = guarded(_read_guild if command.tool == "guild" else override, text)
        if form is None:
            sweep.left_out[name] = f"its form is known to the other tool alone: {text}"
        elif isinstance(form, list) and len(form) == 1:
            sweep.share({name: form[0]})
        else:
            sweep.parameters[name] = form
    sweep.run_cap = command.trials
    sweep.at_random = bool(command.trials) or any(isinstance(form, Range) for form in sweep.parameters.values())
    return sweep


def _read_guild(text: str) -> Form | None:
    value = parsed(text)
    return list(value) if isinstance(value, list) else read_form(text) or [value]


def _loop(text: str) -> Foreign | None:
    """`for lr in 0.1 0.01; do python train.py --lr $lr; done`; None where no loop's variable is used."""
    loops = {name: _words(words) for name, words in _LOOP.findall(text.replace("\\\n", " "))}
    used = {name: _flag(name, text) for name in loops}
    if not any(used.values()):
        return None
    sweep = Foreign()
    for name, values in loops.items():
        if any("$" in str(value) or "*" in str(value) for value in values):
            sweep.left_out[name] = f"{flow(' '.join(map(str, values)))} is known to the shell alone"
        else:
            sweep.parameters[used[name] or name] = values
    rest = [line for line in commands_in(text) if "python" in line and "$" in line]
    sweep.left_out.update({"the command": rest[0]} if rest else {})
    return sweep


def _flag(name: str, text: str) -> str | None:
    """Option that is given a variable: `--lr $lr`, `lr=${lr}`."""
    found = re.search(rf"(?:--?([A-Za-z][\w.-]*)[ =]+|\b([A-Za-z][\w.]*)=)[\"']?\$\{{?{name}\b", text)
    return (found[1] or found[2]).replace("-", "_") if found else None


def _words(text: str) -> list[Any]:
    text = _SEQ.sub(lambda found: _counted(*map(int, found[1].split())), text)
    text = _BRACES.sub(lambda found: _counted(int(found[1]), int(found[3] or 1), int(found[2])), text)
    return [parsed(word) for word in shlex.split(text)]


def _counted(first: int, middle: int | None = None, last: int | None = None) -> str:
    """The numbers of `seq`: to `first`; from first to middle; from first in steps of middle to last."""
    start, step, end = (
        (1, 1, first) if middle is None else (first, middle, last) if last is not None else (first, 1, middle)
    )
    return " ".join(map(str, range(start, end + 1, step)[:1000]))
