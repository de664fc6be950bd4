from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cnnjobs.console.network.outcome import show_failures, show_stop
from cnnjobs.disk.run_folder import RunState
from cnnjobs.status.run_status import RunStatuses

Make = Callable[..., RunStatuses]
FAILED = {"state": RunState.FAILED, "cause": "diverged at step 7"}


def test_failures_have_cause_log_and_next_command(
    snapshot: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = snapshot({1: FAILED, 2: {"state": RunState.FAILED}}).having(RunState.FAILED)
    show_failures(failed, tmp_path, "cnnjobs local x.yaml")
    assert capsys.readouterr().err.splitlines() == [
        "error: 2 runs failed:",
        "  hidden=[] seed=1: diverged at step 7",
        "  hidden=[64] seed=0: no cause was written",
        f"logs: {tmp_path}",
        "run the failed ones again with: cnnjobs local x.yaml --retry-failed",
    ]
    show_failures(failed[:1], tmp_path / "pruned", "cnnjobs local x.yaml")
    assert "logs:" not in capsys.readouterr().err
    show_failures(failed, tmp_path, "cnnjobs retry x")
    assert capsys.readouterr().err.splitlines()[-1] == "run the failed ones again with: cnnjobs retry x"


def test_a_stop_says_what_is_left(snapshot: Make, capsys: pytest.CaptureFixture[str]) -> None:
    begun = {"state": RunState.INTERRUPTED, "epoch": 2.0}
    show_stop(snapshot({0: {"state": RunState.FINISHED}, 1: begun, 2: FAILED}), "SIGINT", "cnnjobs local x.yaml")
    assert capsys.readouterr().err.splitlines() == [
        "error: stopped by SIGINT: 1 of 4 runs are finished, 1 goes on from its last whole epoch, "
        "1 starts from its beginning, 1 failed",
        "go on with: cnnjobs local x.yaml",
    ]
