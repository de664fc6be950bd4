from __future__ import annotations

import io

import pytest
from rich.console import Console

from cnnjobs.console import reporting


def test_a_terminal_shows_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system=None, width=80, _environ={})
    monkeypatch.setattr(reporting, "out", lambda: console)
    with reporting.report_progress() as tell:
        tell("reading runs", 1, 12)
        tell("drawing", 7, 30)
    assert "drawing" in stream.getvalue()
    assert "7/30" in stream.getvalue()


def test_elsewhere_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting.report_progress() as tell:
        tell("reading runs", 1, 12)
    assert capsys.readouterr().out == ""
