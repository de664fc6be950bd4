"""The house rules that a linter cannot check: small files, small functions, links that lead somewhere."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "cnnjobs").rglob("*.py"))
HEAVY = {"torch", "torchvision", "pandas", "matplotlib", "tensorboard", "submitit", "numpy"}
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0  # type: ignore[operator]
            assert lines <= 40, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("room", ["cnnjobs", "tests", "benchmarks", "tools"])
def test_docstrings_begin_with_a_noun_or_a_verb(room: str) -> None:
    found = []
    for path in sorted((ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                words = (ast.get_docstring(node) or "").split(maxsplit=1)
                if words and words[0] in {"What", "Which", "Whether", "Who", "Whose", "How", "That"}:
                    found.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}: {words[0]} ...")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize(
    "command",
    [["--help"], ["sweep", "sweeps/quickstart.yaml", "--dry-run"], ["theory", "shape", "512", "--output", "504"]],
    ids=lambda c: c[0],
)
def test_planning_loads_nothing_heavy(command: list[str], tmp_path: Path) -> None:
    results = ["--results", str(tmp_path)] if command[0] == "sweep" else []
    program = (
        "import sys; from cnnjobs.cli.main import run\n"
        f"sys.argv = ['cnnjobs', *{command + results!r}]\n"
        "try: run()\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        f"heavy = {HEAVY!r} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


FOLDERS = sorted({path.parent for path in SOURCES})
LARGER = {ROOT / "cnnjobs": 20, ROOT / "cnnjobs" / "cli": 20}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_stay_small_and_have_names(folder: Path) -> None:
    entries = {path.name for path in folder.iterdir()} - {"__pycache__", "__init__.py", "__main__.py"}
    assert len(entries) <= LARGER.get(folder, 15), sorted(entries)
    assert not entries & {"utils.py", "helpers.py", "common.py", "misc.py"}
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))


def test_a_stranger_is_led_to_files_that_are_there() -> None:
    page = (ROOT / "tests" / "strangers.md").read_text(encoding="utf-8")
    files = re.findall(r"^\| \d+\. .* \| `(.+)` \|$", page, re.MULTILINE)
    assert len(files) == len({*files}) == 20
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_no_two_files_import_each_other_lazily_or_not() -> None:
    graph = grimp.build_graph("cnnjobs")
    order = TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules})
    order.prepare()


def test_plans_states_and_attempts_load_no_torch() -> None:
    program = (
        "import importlib, pkgutil, sys\n"
        "named = ['attempt', 'claim', 'search', 'environment', 'workload', 'run_list']\n"
        "names = ['cnnjobs.report.loaded', *(f'cnnjobs.worker.{name}' for name in named)]\n"
        "for room in ('status', 'sweep', 'launch', 'search', 'worker.claim', 'worker.search'):\n"
        "    package = importlib.import_module(f'cnnjobs.{room}')\n"
        "    names += [each.name for each in pkgutil.walk_packages(package.__path__, f'{package.__name__}.')]\n"
        "assert len(names) > 60, names\n"
        "for name in names:\n"
        "    importlib.import_module(name)\n"
        "    assert 'torch' not in sys.modules, name\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


_STOP = re.compile(r"(\d+)\. `(\S+\.py)`: (.+)")
_GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
_TOLD = _GUIDE.partition("## Five journeys")[2].partition("\n## ")[0].replace("\n   ", " ").split("### ")[1:]
JOURNEYS = dict(part.strip().split("\n", 1) for part in _TOLD)


def test_five_journeys_are_told() -> None:
    assert len(JOURNEYS) == 5


@pytest.mark.parametrize("name", JOURNEYS)
def test_a_journey_leads_through_files_that_know_each_other(name: str) -> None:
    lines = JOURNEYS[name].strip().splitlines()
    stops = [_STOP.fullmatch(line) for line in lines]
    assert all(stops), lines
    assert [stop[1] for stop in stops] == [str(number) for number in range(1, len(lines) + 1)]
    assert 2 <= len(lines) <= 10
    graph, passed = grimp.build_graph("cnnjobs"), set[str]()
    for _, file, told in (stop.groups() for stop in stops):
        module = f"cnnjobs/{file}".removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        found, missing = importlib.import_module(module), object()
        for words in re.findall(r"`([^`]+)`", told):
            value: object = found
            for word in words.removesuffix("()").split("."):
                value = getattr(value, word, missing)
            assert value is not missing, f"{file} has no {words}"
            assert callable(value) or not words.endswith("()"), f"{file}: {words} cannot be called"
        known = graph.find_modules_directly_imported_by(module) | graph.find_modules_that_directly_import(module)
        assert not passed or passed & known, f"{file} and the files before it do not know each other"
        passed.add(module)
