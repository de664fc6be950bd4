from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console
from rich.live import Live

from cnnjobs.console.runs.logs import show_waiting
from cnnjobs.console.runs.progress import LiveView, PlainView, progress, runs_table
from cnnjobs.disk.run_folder import Attempt, RunState
from cnnjobs.status.run_status import RunStatuses

Make = Callable[..., RunStatuses]
RUNNING = {"state": RunState.RUNNING}
HALF = {**RUNNING, "epoch": 5.0, "seconds": 10.0, "latest": {"train.loss": 0.5, "validation.accuracy": 0.8}}
DONE = {"state": RunState.FINISHED, "epoch": 10.0, "seconds": 20.0, "final": {"train.loss": 0.4, "test.accuracy": 0.9}}
FAILED = {"state": RunState.FAILED, "epoch": 5.0, "cause": "diverged at step 7"}


def said(capsys: pytest.CaptureFixture[str], *looks: RunStatuses) -> list[str]:
    view = PlainView(workers=2)
    for look in looks:
        view.update(look)
    return capsys.readouterr().out.splitlines()


def test_a_line_for_each_start_epoch_and_end(snapshot: Make, capsys: pytest.CaptureFixture[str]) -> None:
    nearly = {**HALF, "epoch": 5.5}
    looks = [{}, {0: RUNNING}, {0: HALF}, {0: nearly}, {0: HALF}, {0: DONE, 1: FAILED}, {0: DONE, 1: FAILED}]
    assert said(capsys, *map(snapshot, looks)) == [
        "[0/4] hidden=[] seed=0: running",
        "[0/4] hidden=[] seed=0: epoch 5/10, train loss 0.500, validation accuracy 80.0 % (35 s left)",
        "[2/4] hidden=[] seed=0: finished: train loss 0.400, test accuracy 90.0 % (20 s left)",
        "[2/4] hidden=[] seed=1: failed: diverged at step 7 (20 s left)",
    ]


def test_what_was_over_before_is_not_told_again(snapshot: Make, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, snapshot({0: DONE, 1: FAILED, 2: {"state": RunState.INTERRUPTED}})) == []


def test_a_resumed_run_says_from_where(snapshot: Make, capsys: pytest.CaptureFixture[str]) -> None:
    attempt = Attempt(number=2, host="h", pid=1, started="2026-01-01T00:00:00+00:00", from_epoch=3)
    (line,) = said(capsys, snapshot({}), snapshot({1: {**RUNNING, "attempts": (attempt,)}}))
    assert line == "[0/4] hidden=[] seed=1: running, from epoch 3"


def terminal() -> Console:
    size = {"width": 100, "height": 30}
    return Console(file=io.StringIO(), force_terminal=True, color_system=None, markup=False, _environ={}, **size)


def test_the_live_view_draws_the_sweep_and_its_running_runs(snapshot: Make) -> None:
    console = terminal()
    with Live(console=console, auto_refresh=False) as live:
        view = LiveView(live, workers=2)
        for look in ({}, {0: HALF}, {0: DONE, 1: FAILED, 2: HALF}):
            view.update(snapshot(look))
            live.refresh()
    written = console.file.getvalue()  # type: ignore[attr-defined]
    first, second, third = (written.index(words) for words in (
        "4 waiting, the workers are starting",
        "1 running, 3 waiting, about ",
        "1 finished, 1 running, 1 failed, 1 waiting, about ",
    ))  # fmt: skip
    assert first < second < third
    assert "hidden=[] seed=0: finished: train loss 0.400, test accuracy 90.0 %" in written
    assert "hidden=[] seed=1: failed: diverged at step 7" in written


def test_the_running_table_fits_the_terminal(snapshot: Make) -> None:
    console = Console(file=io.StringIO(), width=100)
    console.print(runs_table(snapshot(dict.fromkeys(range(4), HALF)).having(RunState.RUNNING), height=2))
    lines = [line.split() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert lines == [
        ["run", "epoch", "train", "loss", "validation", "loss", "validation", "accuracy"],
        ["hidden=[]", "seed=0", "5/10", "0.500", "80.0", "%"],
        ["hidden=[]", "seed=1", "5/10", "0.500", "80.0", "%"],
        ["and", "2", "more"],
    ]


def test_a_watched_sweep_is_named_and_keeps_what_is_over(snapshot: Make) -> None:
    console = terminal()
    with Live(console=console, auto_refresh=False, screen=True) as live:
        view = LiveView(live, None, "task 3")
        for look in ({0: HALF}, {0: DONE, 1: FAILED, 2: HALF}):
            view.update(snapshot(look))
            live.refresh()
        live.console.width = 40
        view.update(snapshot({0: DONE, 1: FAILED, 2: HALF}))
        live.refresh()
    last = console.file.getvalue().rpartition("task 3: Ctrl-C")[2]  # type: ignore[attr-defined]
    shown = [line.rstrip() for line in last.splitlines()]
    assert all(len(line) <= 40 for line in shown if "\x1b" not in line)
    rows = [line for line in shown if "seed=" in line]
    assert len(rows) == 3
    assert any("seed=0" in line and "fin" in line for line in rows)


def test_a_watched_sweep_has_a_screen_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    console = terminal()
    monkeypatch.setattr("cnnjobs.console.runs.progress.out", lambda: console)
    with progress(None, watched="task 3"):
        pass
    with progress(2):
        pass
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert written.count("\x1b[?1049h") == written.count("\x1b[?1049l") == 1


def test_who_follows_a_run_that_waits_is_told_so(snapshot: Make, capsys: pytest.CaptureFixture[str]) -> None:
    show_waiting(snapshot({0: {"cause": "waits for its turn"}}).runs[0])
    assert capsys.readouterr().err == (
        "note: hidden=[] seed=0 is pending (waits for its turn): its log follows as soon as it runs; "
        "Ctrl-C ends the looking alone\n"
    )
