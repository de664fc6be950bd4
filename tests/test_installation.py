"""Imports are declared, declared packages are pinned, and the Makefile installs those pinned."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(encoding="utf-8")))


def imported() -> set[str]:
    """The packages of others that cnnjobs imports by itself; what programs load is loaded where they have them."""
    found = set()
    of_programs = ROOT / "cnnjobs" / "programs" / "metrics" / "child"
    for file in {*(ROOT / "cnnjobs").rglob("*.py")} - {*of_programs.glob("*.py")}:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - {"cnnjobs", *sys.stdlib_module_names}


def test_what_is_imported_is_declared() -> None:
    lines = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["timm"]]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    owners = metadata.packages_distributions()
    names = {name: {canonicalize_name(owner) for owner in owners.get(name, [name])} for name in imported()}
    assert {name for name, known in names.items() if not known & declared} == set()


@pytest.mark.parametrize("group", ["", "dev"])
def test_what_is_declared_is_pinned_to_a_release_that_fits(group: str) -> None:
    lines = PROJECT["optional-dependencies"][group] if group else PROJECT["dependencies"]
    for requirement in map(Requirement, lines):
        assert PINS[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_private_names_of_numpy_are_left_alone() -> None:
    private = re.compile(r"\bnp\._|numpy\._")
    assert [file for file in (ROOT / "cnnjobs").rglob("*.py") if private.search(file.read_text("utf-8"))] == []


@pytest.mark.parametrize(("torch", "index"), [("", False), ("cpu", True)])
def test_make_installs_what_is_pinned(torch: str, index: bool) -> None:
    command = ["make", "--dry-run", "--always-make", "setup", f"TORCH={torch}", "TORCH_INDEX=https://cpu.example"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (line,) = [line for line in shown.split("\n") if "--editable '.[dev]'" in line]
    assert "--constraint constraints.txt" in line
    assert ("--extra-index-url https://cpu.example" in line) == index


def test_another_torch_is_refused() -> None:
    done = subprocess.run(["make", "-n", "setup", "TORCH=gpu"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, "TORCH=gpu: allowed: cpu" in done.stderr) == (2, True)
