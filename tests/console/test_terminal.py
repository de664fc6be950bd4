from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cnnjobs.console import terminal
from cnnjobs.console.terminal import error, fit, notice, say


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


def test_names_of_others_reach_no_terminal_raw(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "a\x1b]0;title\x07\x1b[2Jb\r\u202egnp.exe\u200b\x9b1m"
    table = Table(box=None)
    table.add_column("name")
    table.add_column("number", justify="right")
    table.add_row(f"{evil}\nfinished  forged", f"1{evil}")
    terminal.show(table)
    terminal.show(Text(evil))
    terminal.out().print(evil)
    terminal.say(evil)
    terminal.notice(evil)
    terminal.error(evil)
    try:
        raise ValueError(evil)
    except ValueError:
        terminal.failure()
    told = capsys.readouterr()
    for text in (told.out, told.err):
        assert not set(text) & set("\x1b\x07\r\u202e\u200b\x9b")
        assert "\\u202egnp.exe\\u200b" in text
    assert "\\nfinished  forged" in told.out


def test_control_characters_are_spelled_out(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b[31mred\x1b[0m \x1b[2J\rb\x07")
    assert capsys.readouterr().out == "ared \\x1b[2J\\x0db\\x07\n"


@pytest.mark.parametrize(("width", "left_out"), [(100, []), (40, ["test accuracy", "time"]), (20, ["epoch"])])
def test_what_tells_rows_apart_stays_on_a_narrow_terminal(width: int, left_out: list[str]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("state", "run", "epoch", "test accuracy", "time"):
        table.add_column(heading, justify="left" if heading in ("state", "run") else "right")
    label = "lr=0.1 weight_decay=0.0005"
    table.add_row("finished", label, "1/1", "12.3 %", "3 s")
    stream = StringIO()
    console = Console(file=stream, width=width)
    assert fit(table, console)[: len(left_out)] == left_out
    console.print(table)
    shown = stream.getvalue()
    assert "…" not in shown
    assert "".join(label.split()) in "".join(line[9:].split("1/1")[0] for line in shown.split("\n")[1:]).replace(
        " ", ""
    )
