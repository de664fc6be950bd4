"""Commands called as the shell calls them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnjobs.cli.main import run

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """call("status", ...) -> exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def made(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cnnjobs", *words])
        with pytest.raises(SystemExit) as stop:
            run()
        told = capsys.readouterr()
        return int(stop.value.code or 0), told.out, told.err

    return made
