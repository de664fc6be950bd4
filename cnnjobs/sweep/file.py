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

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from cnnjobs.config.documents import read_yaml
from cnnjobs.config.program import ProgramConfig
from cnnjobs.config.run import RunConfig
from cnnjobs.config.text_files import read_text, yaml_files
from cnnjobs.config.yaml import Findings, Node, is_list, shown
from cnnjobs.errors import InputError
from cnnjobs.sweep.consistency import measured_metric
from cnnjobs.sweep.labels import SweepRun
from cnnjobs.sweep.other_tools import FORMS
from cnnjobs.sweep.overrides import Naming
from cnnjobs.sweep.program import ProgramReader, names_program, read_program, read_program_metric
from cnnjobs.sweep.report_settings import ReportSettings, read_report
from cnnjobs.sweep.search import EarlyTerminate, SearchSettings, read_early_terminate, read_search
from cnnjobs.sweep.settings import JobSettings, Metric, read_job, read_metric, text
from cnnjobs.sweep.space.compare import Comparison, Pair, pair_runs
from cnnjobs.sweep.space.coordinates import Located, first_configurations
from cnnjobs.sweep.space.expansion import Candidate, expand
from cnnjobs.sweep.space.space import BAYES, Space
from cnnjobs.sweep.space.spaces import read_space
from cnnjobs.sweep.top_level import read_top_level, refuse_other_form
from cnnjobs.sweep.validation import check_base, check_runs

__all__ = ["JobSettings", "Metric", "Pair", "ReportSettings", "Sweep", "SweepRun", "read_sweep"]

_LONGEST_NAME: Final = 100


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
        refuse_other_form(path, content, findings)
    keys = read_top_level(read_yaml(content, findings), findings)
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
