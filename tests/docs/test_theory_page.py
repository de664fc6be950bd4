"""docs/theory.md shows what its commands really print; `make golden` writes their output again."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnjobs.cli.main import run

PAGE = Path(__file__).parents[2] / "docs" / "theory.md"
# A command, and what it prints: an empty line belongs to that unless the next command follows.
BLOCK = re.compile(r"^    \$ .*\n(?:    .*\n|\n(?=    (?!\$)))*", re.MULTILINE)


def test_golden_theory_page_shows_what_its_commands_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def printed(command: str) -> Iterator[str]:
        monkeypatch.setattr(sys, "argv", shlex.split(command))
        with pytest.raises(SystemExit) as stop:
            run()
        told = capsys.readouterr()
        assert (stop.value.code or 0, told.err) == (0, ""), command
        yield f"    $ {command}\n"
        yield from (f"    {line}".rstrip() + "\n" for line in told.out.splitlines())

    def block(found: re.Match[str]) -> str:
        commands = [line.removeprefix("    $ ") for line in found[0].splitlines() if line.startswith("    $ ")]
        return "".join(line for command in commands for line in printed(command))

    text = PAGE.read_text(encoding="utf-8")
    assert not re.search(r"^    ", BLOCK.sub("", text), re.MULTILINE), "a block without a command"
    wanted = BLOCK.sub(block, text)
    if os.environ.get("CNNJOBS_GOLDEN") == "write":
        PAGE.write_text(wanted, encoding="utf-8")
    assert text == wanted or os.environ.get("CNNJOBS_GOLDEN"), "write the page again: make golden"
