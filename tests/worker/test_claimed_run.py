from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cnnjobs.disk import fence
from cnnjobs.disk.outage import Storage
from cnnjobs.disk.run_folder import RunFolder, RunRecord, RunState
from cnnjobs.system.log import TAKEN
from cnnjobs.worker.claim.claimed_run import ClaimedRun


@pytest.fixture
def folder(tmp_path: Path, toy: Any) -> RunFolder:
    config = toy.config()
    made = RunFolder(tmp_path / "sweep" / config.run_id)
    made.create(config)
    return made


def storage(folder: RunFolder, said: list[str] | None = None) -> Storage:
    return Storage(folder, lambda: False, [].append if said is None else said.append)


def test_a_run_is_held_until_it_is_released(folder: RunFolder) -> None:
    said: list[str] = []
    with ClaimedRun.take(storage(folder)) as run:
        assert folder.is_claimed()
        assert ClaimedRun.take(storage(folder, said)) is None
        assert said == [TAKEN]
        run.beat()
        run.release()
        assert not folder.is_claimed()
        assert not run.heartbeat._thread.is_alive()


@pytest.mark.parametrize("state", [RunState.FINISHED, RunState.FAILED, RunState.CANCELLED])
def test_a_run_that_was_settled_meanwhile_is_let_go_at_once(folder: RunFolder, state: RunState) -> None:
    said: list[str] = []
    folder.write_record(RunRecord(run_id=folder.run_id, state=state))
    assert ClaimedRun.take(storage(folder, said)) is None
    assert not folder.is_claimed()
    assert said == []


def test_what_waits_for_its_folder_stops_with_the_run(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    found = storage(folder)
    with ClaimedRun.take(found) as run:
        assert run.storage is found
        assert not found.stopped()
        run.heartbeat.stops = True
        assert found.stopped()
        # A newer attempt has come.
        fence.announce(folder)
        monkeypatch.setattr(fence, "identity", lambda: {"host": "another", "pid": 1})
        assert run.fence.is_passed()
