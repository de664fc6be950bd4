"""A sweep file -> every run of it, checked before anything is started.

The format is W&B's, read strictly: `name description method metric parameters early_terminate run_cap`. Beside it stand
our own keys, each optional: `base seeds sampling_seed zip when exclude variants ablate compare report job code search`.
Each is described where it is read: parameters.py, spaces.py, expansion.py, compare.py, settings.py, search.py.

    name: task3
    method: grid                       # or random, with run_cap and sampling_seed
    base: {dataset: cifar10, model: cnn, optimizer: {name: sgd, momentum: 0.9}, epochs: 10}
    parameters:
      lr: {values: [5e-2, 1e-2]}
      model.batch_norm: {values: [false, true]}
    seeds: 3
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from cnnjobs.config.documents import read_yaml
from cnnjobs.config.program import ProgramConfig
from cnnjobs.config.run import RunConfig, our_name
from cnnjobs.config.text_files import read_text, refuse_other_kinds, yaml_files
from cnnjobs.config.yaml import Findings, Node, is_list, shown
from cnnjobs.errors import InputError, suggest
from cnnjobs.sweep.consistency import measured_metric
from cnnjobs.sweep.labels import SweepRun
from cnnjobs.sweep.other_tools import FORMS, recognise, recognise_text
from cnnjobs.sweep.overrides import Naming, names_values, nest
from cnnjobs.sweep.program import PROGRAM_KEYS, ProgramReader, names_program, read_program, read_program_metric
from cnnjobs.sweep.report_settings import ReportSettings, read_report
from cnnjobs.sweep.search import EarlyTerminate, SearchSettings, read_early_terminate, read_search
from cnnjobs.sweep.settings import JobSettings, Metric, read_job, read_metric, text
from cnnjobs.sweep.space.compare import Comparison, Pair, pair_runs
from cnnjobs.sweep.space.coordinates import Located, first_configurations
from cnnjobs.sweep.space.expansion import Candidate, expand
from cnnjobs.sweep.space.space import BAYES, Space
from cnnjobs.sweep.space.spaces import read_space
from cnnjobs.sweep.validation import check_base, check_runs

__all__ = ["JobSettings", "Metric", "Pair", "ReportSettings", "Sweep", "SweepRun", "read_sweep"]

_KEYS: Final = (
    "name", "description", "method", "metric", "parameters", "early_terminate", "run_cap",
    "base", "seeds", "sampling_seed", "zip", "when", "exclude", "variants", "ablate", "compare", "report", "job",
    "code", "search",
)  # fmt: skip

_LONGEST_NAME: Final = 100

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


@dataclass(frozen=True)
class Proposing:
    """The space of a search by `method: bayes`, and the configurations with which it begins."""

    space: Space
    first: tuple[Located, ...]

    @property
    def most(self) -> int:
        """Number of configurations that are tried at most."""
        return self.space.run_cap or len(self.first)


@dataclass(frozen=True)
class Sweep:
    """One sweep file and every run that it asks for, or those that are known of a search that is `proposing`.

    `code` are files to be copied with the user's own modules, each with its place in the file.
    """

    name: str
    path: Path
    text: str
    description: str
    method: str
    metric: Metric
    runs: tuple[SweepRun, ...]
    pairs: tuple[Pair, ...]
    report: ReportSettings
    job: JobSettings
    notices: tuple[str, ...]
    code: Mapping[str, str] = field(default_factory=dict)
    early_terminate: EarlyTerminate | None = None
    search: SearchSettings = field(default_factory=SearchSettings)
    proposing: Proposing | None = None

    @property
    def is_of_program(self) -> bool:
        """True if its runs are those of a program of the user's own."""
        return any(isinstance(run.config, ProgramConfig) for run in self.runs[:1])


def read_sweep(path: Path, *, is_started: bool = False) -> Sweep:
    """Read a sweep file. Raises InputError where there is no text to read, SpecError with every mistake in it.

    Of one that `is_started`, by an earlier version perhaps, runs that contradict themselves are no mistake.
    """
    findings = Findings(path, is_started=is_started)
    content = read_text(path, yaml_files(path.parent, Path("sweeps")), findings.tell, others=FORMS)
    if path.suffix in FORMS:
        _refuse_other_form(path, content, findings)
    keys = _top_level(read_yaml(content, findings), findings)
    name = _read_name(keys, path, findings)
    description = text(keys["description"], "description", findings) if "description" in keys else ""
    is_program = names_program(keys)
    metric = _metric(keys, findings, is_program=is_program)
    early = read_early_terminate(keys["early_terminate"], metric, findings) if "early_terminate" in keys else None
    search = read_search(keys["search"], findings) if "search" in keys else SearchSettings()
    report = ReportSettings()
    if "report" in keys:
        report = read_report(keys["report"], path.parent, findings, any_metric=is_program)
    if metric.target is not None:
        report = replace(report, targets={metric.name: (metric.target,), **report.targets})
    job = read_job(keys["job"], findings) if "job" in keys else JobSettings()
    code = _read_code(keys, findings) if "code" in keys else {}
    program = read_program(keys, metric, findings) if is_program else None
    space, comparisons, unread = _space(keys, program, findings)
    space, search = _begin(space, search, keys, metric, findings)
    first = first_configurations(space, unread, findings) if space.method == BAYES else []
    candidates, complete = expand(space, unread, findings) if not first else ([*_runs_of(first)], True)
    runs = check_runs(space, candidates, unread, findings)
    networks = [run.config for run in runs if isinstance(run.config, RunConfig)]
    metric = measured_metric(metric, networks, keys.get("metric"), findings)
    pairs = pair_runs(comparisons, runs, space.variants, findings) if runs and complete else ()
    findings.stop_at_mistakes()
    told = findings.notices
    proposing = Proposing(space, tuple(first)) if first else None
    return Sweep(
        name, path, content, description, space.method, metric, runs, pairs, report, job, told, code, early, search,
        proposing,
    )  # fmt: skip


def _metric(keys: dict[str, Node], findings: Findings, *, is_program: bool) -> Metric:
    if "metric" not in keys:
        return Metric("", "minimize") if is_program else Metric()
    return read_program_metric(keys["metric"], findings) if is_program else read_metric(keys["metric"], findings)


def _begin(
    space: Space, search: SearchSettings, keys: Mapping[str, Node], metric: Metric, findings: Findings
) -> tuple[Space, SearchSettings]:
    """The space of a search with its beginning; what has no effect without one is told."""
    if space.method == BAYES:
        if not metric.name:
            remedy = "write metric: {name: the name that the program reports, goal: minimize or maximize}"
            findings.mistake(space.lines.get("method"), "method", "bayes needs a metric to learn from", remedy)
        return replace(space, startup=search.startup), search
    for key in ("engine", "startup", "parallel"):
        if "search" in keys and isinstance(keys["search"].value, dict) and key in keys["search"].value:
            line = keys["search"].value[key].line
            findings.notice(line, f"search.{key}", "passed over: it is for method: bayes")
    return space, search


def _runs_of(located: Sequence[Located]) -> Iterator[Candidate]:
    for each in located:
        yield from each.candidates


def _space(
    keys: dict[str, Node], program: ProgramConfig | None, findings: Findings
) -> tuple[Space, list[Comparison], frozenset[str]]:
    if program is None:
        space, comparisons, unread = read_space(keys, findings)
        check_base(space.base, findings)
        return space, comparisons, unread
    names = Naming(components=(), defaults={}, is_free=True)
    return read_space(keys, findings, names, ProgramReader(program, names))


def name_in(path: Path) -> str:
    """The name of the sweep in a file, as far as that can be told of one with mistakes."""
    with suppress(InputError, AttributeError, KeyError, TypeError):
        root = read_yaml(read_text(path), Findings(path))
        named = root if "name" in root.value else root.value["sweep"]
        return str(named.value["name"].value)
    return path.stem


def _top_level(root: Node, findings: Findings) -> dict[str, Node]:
    """The keys of the file that are ours. Raises SpecError for what is no sweep file at all."""
    if isinstance(root.value, dict) and list(root.value) == ["sweep"]:
        findings.notice(root.value["sweep"].line, "sweep", "read as if its content stood at the top of the file")
        return _top_level(root.value["sweep"], findings)
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


def _refuse_other_form(path: Path, content: str, findings: Findings) -> None:
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


def _read_code(keys: dict[str, Node], findings: Findings) -> dict[str, str]:
    """`code: [mine/table.json, ../shared]`, or one alone."""
    node = keys["code"]
    if isinstance(node.value, str) and node.value:
        node = Node([node], node.line)
    if not is_list(node, "code", findings, "[mine/table.json]"):
        return {}
    items = [(text(each, "code", findings), each) for each in node.value]
    return {item: f"{findings.file}:{each.line}: code" for item, each in items if item}


def _read_name(keys: dict[str, Node], path: Path, findings: Findings) -> str:
    """The sweep's name, as its folder can be called: what no folder's name should hold becomes a dash."""
    line = keys["name"].line if "name" in keys else None
    given = text(keys["name"], "name", findings) if "name" in keys else path.stem
    printable = "".join(letter if letter.isprintable() else "-" for letter in given.strip())
    name = re.sub(r"\s*[/\\]+\s*", "-", printable).lstrip(".-~")[:_LONGEST_NAME].rstrip()
    if given and not name:
        findings.mistake(line, "name", f"found {shown(given)}", "it becomes a folder's name: give it some letters")
    elif name != given.strip():
        findings.notice(line, "name", f"{shown(given)} is called {name}, since it becomes a folder's name")
    return name
