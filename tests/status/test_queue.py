"""Answers of Slurm 22.05, as they were given."""

from __future__ import annotations

import pytest

from cnnjobs.slurm.commands import SlurmError
from cnnjobs.slurm.queue import QueueView, expand, look_at_ends, look_at_queue, read_accounts, read_queue

# squeue --noheader --states=all --Format=ArrayJobID:|,ArrayTaskID:|,State:|,Reason:|,exit_code:|,NodeList:|,...
SQUEUE = """\
1|2|CANCELLED|None|15|n2|4294901759|main|cnnjobs-my sweep-abc|
1|0|FAILED|NonZeroExitCode|768|n1|4294901759|main|cnnjobs-my sweep-abc|
1|1|FAILED|JobLaunchFailure|9|n1|4294901759|main|cnnjobs-my sweep-abc|
1|7-9,36,38-40%8|PENDING|Resources|0||4294901759|main|cnnjobs-my sweep-abc|
2|0-1|PENDING|JobHeldUser|0||0|main|held|
3|N/A|PENDING|Priority|0||4294901757|main|later|
4|N/A|PENDING|Priority|0||4294901756|other|elsewhere|
1|6|RUNNING|None|0|n2|4294901759|main|cnnjobs-my sweep-abc|
"""
# sacct --noheader --parsable2 --allocations --format=JobID,State,ExitCode,NodeList,End,JobName
SACCT = """\
1_0|FAILED|3:0|n1|2026-11-21T06:39:44|cnnjobs-my sweep-abc
1_1|FAILED|0:9|n1|2026-11-21T06:39:44|cnnjobs-my sweep-abc
1_2|CANCELLED by 0|0:0|n2|2026-11-21T06:39:46|cnnjobs-my sweep-abc
1_3|OUT_OF_MEMORY|0:125|n2|2026-11-21T06:39:50|cnnjobs-my sweep-abc
1_6|RUNNING|0:0|n2|Unknown|cnnjobs-my sweep-abc
1_[7-34,36,38,40%8]|PENDING|0:0|None assigned|Unknown|cnnjobs-my sweep-abc
7|COMPLETED|0:0|n1|2026-11-21T06:39:44|of another who had the number
"""


def answers(monkeypatch: pytest.MonkeyPatch, **said: str | SlurmError) -> list[tuple[str, ...]]:
    """Let Slurm's commands say this; the commands that were asked."""
    asked: list[tuple[str, ...]] = []

    def ask(*command: str, **_: object) -> str:
        asked.append(command)
        told = said[command[0]]
        if isinstance(told, SlurmError):
            raise told
        return told

    monkeypatch.setattr("cnnjobs.slurm.queue.ask", ask)
    return asked


@pytest.mark.parametrize(
    ("said", "indices"),
    [
        ("3", [3]),
        ("0-3,8,10-20:5%4", [0, 1, 2, 3, 8, 10, 15, 20]),
        ("[0-2%1]", [0, 1, 2]),
        ("N/A", [0]),
        ("", [0]),
    ],
)
def test_array_indices(said: str, indices: list[int]) -> None:
    assert list(expand(said)) == indices


def test_a_queue_is_read_with_places_in_line() -> None:
    array_tasks = {array_task.name: (name, array_task) for name, array_task in read_queue(SQUEUE)}
    assert len(array_tasks) == 15
    assert {name for name, _ in array_tasks.values()} == {"cnnjobs-my sweep-abc", "held", "later", "elsewhere"}
    waiting = {name: array_task.ahead for name, (_, array_task) in array_tasks.items() if array_task.ahead is not None}
    assert waiting == {
        "1_7": 0, "1_8": 1, "1_9": 2, "1_36": 3, "1_38": 4, "1_39": 5, "1_40": 6, "3_0": 7, "4_0": 0,
    }  # fmt: skip
    assert [(array_tasks[name][1].exit_code, array_tasks[name][1].signal) for name in ("1_0", "1_1", "1_2")] == [
        (3, 0), (0, 9), (0, 15),
    ]  # fmt: skip
    assert array_tasks["1_6"][1].reason == ""
    assert array_tasks["2_1"][1].reason == "JobHeldUser"


def test_accounts_are_read_with_who_cancelled() -> None:
    array_tasks = {array_task.name: array_task for _, array_task in read_accounts(SACCT)}
    assert list(array_tasks) == ["1_0", "1_1", "1_2", "1_3", "1_6", "7_0"]
    assert (array_tasks["1_2"].state, array_tasks["1_2"].cancelled_by) == ("CANCELLED", "root")
    assert (array_tasks["1_1"].signal, array_tasks["1_1"].exit_code, array_tasks["1_1"].node) == (9, 0, "n1")
    assert array_tasks["1_6"].ended == ""


def test_one_call_each_for_all_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answers(monkeypatch, squeue=SQUEUE, sacct=SACCT)
    view = look_at_queue({"cnnjobs-my sweep-abc", "held"})
    assert view.job_ids == {"cnnjobs-my sweep-abc": 1, "held": 2}
    assert set(view.ended) == {(1, 0), (1, 1), (1, 2)}
    assert {key for key in view.queued if key[0] == 2} == {(2, 0), (2, 1)}
    assert (3, 0) not in view.queued
    view = look_at_ends(view, {1: "cnnjobs-my sweep-abc", 7: "mine"})
    # Job 7 is another one's: its number was given away again. 1_6 is in the queue, whatever accounting remembers.
    assert set(view.ended) == {(1, 0), (1, 1), (1, 2), (1, 3)}
    assert view.ended[1, 2].cancelled_by == "root"
    assert (view.knows_queue, view.knows_ends, view.notices) == (True, True, ())
    assert [command[0] for command in asked] == ["squeue", "sacct"]
    assert "--jobs=1,7" in asked[1]


def test_nothing_is_asked_without_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answers(monkeypatch)
    assert look_at_ends(look_at_queue(set()), {}) == QueueView()
    assert asked == []


def test_what_could_not_be_asked_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    down = SlurmError("squeue did not answer within 10 s")
    answers(monkeypatch, squeue=down, sacct=SlurmError("sacct: Slurm accounting storage is disabled"))
    view = look_at_ends(look_at_queue({"a"}), {1: "a"})
    assert (view.knows_queue, view.knows_ends) == (False, False)
    # Accounting that is switched off is a property of the place, and nothing went wrong.
    assert view.notices == ("the queue could not be asked: squeue did not answer within 10 s",)
    answers(monkeypatch, squeue="", sacct=SlurmError("sacct: error: Connection refused"))
    view = look_at_ends(look_at_queue({"a"}), {1: "a"})
    assert view.knows_queue
    assert view.notices == ("accounting could not be asked: sacct: error: Connection refused",)


def test_garbage_is_no_element() -> None:
    assert read_queue("slurm_load_jobs error: Unexpected message received\n\n1|2\n") == []
    assert read_accounts("sacct: error\n\n1_2|FAILED\n") == []
