"""docs/experiments.md names a command for every part of the experiments, and each of them can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import typer

from cnnjobs.cli.main import app
from cnnjobs.cli.network.figure_options import plan_figures
from cnnjobs.sweep.file import read_sweep

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "experiments.md").read_text(encoding="utf-8")
ROWS = [
    line.strip().strip("|").split(" | ")
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| part |"))
]
# In the text, and in the blocks that are copied whole.
COMMANDS = sorted(
    {
        *re.findall(r"`(cnnjobs [^`]*)`", PAGE),
        *(line.partition("#")[0].strip() for line in PAGE.splitlines() if line.startswith("cnnjobs ")),
    }
)


def parsed(words: list[str]) -> click.Context:
    """The command that these words name, with its options read and nothing run."""
    command: click.Command = typer.main.get_command(app)
    while isinstance(command, click.Group):
        name = words.pop(0)
        found = command.commands.get(name)
        assert found is not None, f"no command {name}"
        command = found
    return command.make_context(command.name, words)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip())
def test_every_part_has_its_command(row: list[str]) -> None:
    assert row[1].strip()


@pytest.mark.parametrize("text", COMMANDS)
def test_every_command_can_be_typed(text: str) -> None:
    words = shlex.split(text)[1:]
    kind = words[2] if words[0] == "figures" else None
    context = parsed(words)
    if kind is not None:
        given = {name: value for name, value in context.params.items() if value not in (None, False)}
        own = ("network", "kind", "results", "data_dir", "weights", "dataset", "out", "input", "classes")
        plan_figures(kind, {name: value for name, value in given.items() if name not in own})


@pytest.mark.parametrize("name", sorted(set(re.findall(r"sweeps/(\w+\.yaml)", PAGE))))
def test_every_sweep_that_it_names_can_be_read(name: str) -> None:
    assert read_sweep(PROJECT / "sweeps" / name).runs


def test_every_sweep_of_the_documents_is_named() -> None:
    for file in (PROJECT / "sweeps").glob("s0*.yaml"):
        assert file.name.replace("_small", "") in PAGE
