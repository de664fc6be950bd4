from __future__ import annotations

import pytest

from cnnjobs.console.terminal import error, notice, say


def test_nothing_is_wrapped_and_no_text_is_taken_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    long = "/a/path/" + "x" * 300 + " [bold]filters=[4, 8][/bold] :smile: cnnjobs"
    say(long)
    assert capsys.readouterr().out == f"{long}\n"


def test_errors_and_notices_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    error("first [x]\nsecond")
    notice("by the way")
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "error: first [x]\nsecond\nnote: by the way\n"
