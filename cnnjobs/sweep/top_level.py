"""The keys at the top of a sweep file; what is no sweep file of ours at all is told for what it is."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cnnjobs.config.documents import read_yaml
from cnnjobs.config.run import RunConfig, our_name
from cnnjobs.config.text_files import refuse_other_kinds
from cnnjobs.config.yaml import Findings, Node, shown
from cnnjobs.errors import suggest
from cnnjobs.sweep.other_tools import recognise, recognise_text
from cnnjobs.sweep.overrides import names_values, nest
from cnnjobs.sweep.program import PROGRAM_KEYS, names_program
from cnnjobs.sweep.space.expansion import expand
from cnnjobs.sweep.space.spaces import read_space

_KEYS: Final = (
    "name", "description", "method", "metric", "parameters", "early_terminate", "run_cap",
    "base", "seeds", "sampling_seed", "zip", "when", "exclude", "variants", "ablate", "compare", "report", "job",
    "code", "search",
)  # fmt: skip

_ELSEWHERE: Final = {
    **dict.fromkeys(("slurm", "resources"), "resources stand in a file of jobs/: write job: {profile: its name}"),
    **dict.fromkeys(("fixed", "defaults", "config"), "what every run shares stands in `base`"),
    "seed": "write seeds: [0], or base: {seed: 0}",
    **dict.fromkeys(
        ("trainer", "training", "hyperparameters", "params"),
        "what every run shares stands in `base`, what is varied in `parameters`",
    ),
    "monitor": "write metric: {name: validation.loss}",
}

_PASSED_OVER: Final = {
    "project": "results go to results/<name>",
    "entity": "results go to results/<name>",
    "controller": "no server is needed",
    "apiVersion": "no server is needed",
    "kind": "no server is needed",
}
_TELLING: Final = frozenset({*_KEYS, *PROGRAM_KEYS, *_PASSED_OVER})


def read_top_level(root: Node, findings: Findings) -> dict[str, Node]:
    """The keys of the file that are ours. Raises SpecError for what is no sweep file at all."""
    if isinstance(root.value, dict) and list(root.value) == ["sweep"]:
        findings.notice(root.value["sweep"].line, "sweep", "read as if its content stood at the top of the file")
        return read_top_level(root.value["sweep"], findings)
    _refuse_other_files(root, findings)
    _refuse_lost_indentation(root, findings)
    is_program = names_program(root.value)
    allowed = (*PROGRAM_KEYS, *_KEYS) if is_program else _KEYS
    for key, node in root.value.items():
        # Places for anchors alone, as elsewhere in YAML.
        if key.startswith("x-"):
            continue
        if key in _PASSED_OVER:
            findings.notice(node.line, key, f"passed over: {_PASSED_OVER[key]}")
        elif key in _ELSEWHERE:
            findings.mistake(node.line, key, "unknown key", _ELSEWHERE[key])
        elif our_name(key) in RunConfig.model_fields:
            ours, varied = our_name(key), isinstance(node.value, list) and len(node.value) > 1
            remedy = f"parameters: {{{ours}: {{values: {shown(node.plain)}}}}}" if varied else f"base: {{{ours}: ...}}"
            if names_values(node):
                remedy = f"parameters: {{{ours}: {shown(node.plain)}}}"
            findings.mistake(node.line, key, "stands at the top of the file", f"write {remedy}")
        elif key in PROGRAM_KEYS and not is_program:
            remedy = "it belongs to a program: write program: train.py, or leave it out"
            findings.mistake(node.line, key, "stands in a file without `program`", remedy)
        elif key not in allowed:
            findings.mistake(node.line, key, "unknown key", suggest(key, allowed))
    return {key: node for key, node in root.value.items() if key in allowed}


def _refuse_other_files(root: Node, findings: Findings) -> None:
    """Raise SpecError for an empty file, for what is no mapping, and for another tool's file."""
    foreign = recognise(root.plain, _TELLING) if root.value and isinstance(root.value, dict | list) else None
    if foreign:
        findings.mistake(root.line, "", foreign[0], _offer(foreign[1]))
    elif isinstance(root.value, dict) and root.value:
        if not any(_is_known(key) for key in root.value):
            keys = list(root.value)
            found = f"no key of a sweep file: {', '.join(keys[:6])}{', ...' if len(keys) > 6 else ''}"
            remedy = "a sweep has at least base: {dataset: ..., model: ...}, see docs/sweep-file.md"
            findings.mistake(root.line, "", found, remedy)
    elif root.value in (None, {}):
        findings.mistake(root.line, "", "no key in it", "a sweep has at least base: {dataset: ..., model: ...}")
    else:
        found = "a list" if isinstance(root.value, list) else shown(root.plain)
        findings.mistake(root.line, "", f"found {found}", f"a sweep is a mapping of keys: {', '.join(_KEYS)}")
    findings.stop_at_mistakes()


def refuse_other_form(path: Path, content: str, findings: Findings) -> None:
    """Raise SpecError, or InputError, for a file that is no YAML, with the sweep that it holds where it has one."""
    foreign, ours = recognise_text(path, content, _TELLING)
    if foreign:
        findings.mistake(None, "", foreign[0], _offer(foreign[1]))
    elif ours:
        findings.mistake(None, "", "is a TOML file", f"the same in YAML:\n{ours}")
    findings.stop_at_mistakes()
    refuse_other_kinds(path)


def _refuse_lost_indentation(root: Node, findings: Findings) -> None:
    """Raise SpecError where `base:` is empty and its keys stand below it as if they were beside it."""
    base = root.value.get("base")
    below = [key for key in root.value if our_name(key) in RunConfig.model_fields]
    if base is not None and base.value is None and below:
        found = f"empty, and {', '.join(below)} {'stands' if len(below) == 1 else 'stand'} beside it"
        findings.mistake(base.line, "base", found, "write two spaces before each of them")
        findings.stop_at_mistakes()


def _is_known(key: str) -> bool:
    """Check whether a key tells a file that is meant for us, with a slip in it perhaps."""
    known = (
        key in (*_KEYS, *PROGRAM_KEYS)
        or key in _PASSED_OVER
        or key in _ELSEWHERE
        or our_name(key) in RunConfig.model_fields
    )
    return known or key.startswith("x-") or bool(difflib.get_close_matches(key[:100], _KEYS, n=1))


def _offer(texts: Mapping[str, str]) -> str:
    """The same sweeps in the form that is read here, with the number of their runs."""
    several = f" as {len(texts)} sweeps" if len(texts) > 1 else ""
    told = [f"the same sweep in the form that is read here{several}:"]
    for name, ours in texts.items():
        findings = Findings(Path(name))
        keys = dict(read_yaml(ours, findings).value)
        space, _, _ = read_space(keys, findings)
        candidates, complete = expand(space, frozenset(), findings)
        count = len({json.dumps(nest(each.settings), sort_keys=True, default=str) for each in candidates})
        runs = "1 run" if count == 1 else f"{count:,} runs"
        chosen = candidates[0].settings if candidates else {}
        lacks = [key for key in ("dataset", "model") if key not in chosen]
        lines = [f"# {name}: a file of its own"] if name else []
        lines += [*ours.split("\n"), f"# {runs}"] if complete else ours.split("\n")
        lines += [f"# {each}" for each in (mistake.found for mistake in findings.mistakes)]
        lines += [f"# still to be added: base: {{{', '.join(f'{key}: ...' for key in lacks)}}}"] if lacks else []
        told += [f"    {line}" for line in lines]
    return "\n".join(told)
