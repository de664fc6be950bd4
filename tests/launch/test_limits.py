from __future__ import annotations

import pytest

from cnnjobs.config.resolved_profile import ResolvedProfile
from cnnjobs.launch.array import limits as admission
from cnnjobs.launch.array.limits import SubmitLimit, read_submit_limits, submit_limit
from cnnjobs.slurm import offers
from cnnjobs.slurm.commands import SlurmError
from cnnjobs.slurm.offers import with_offers

ASSOCIATIONS = "lab||50||long\nlab|gpu|4||\nother||9|100|\n"
QUALITIES = "normal|||\nlong|30||\nshort|7|8|\n"


@pytest.mark.parametrize(
    ("profile", "limits"),
    [
        (ResolvedProfile(name="x", account="lab"), [50, 30]),
        (ResolvedProfile(name="x", account="lab", partition="gpu"), [50, 4, 30]),
        (ResolvedProfile(name="x", account="lab", qos="short"), [50, 7, 8]),
        (ResolvedProfile(name="x", account="other"), [9, 100]),
        (ResolvedProfile(), [50, 9, 100, 30]),
    ],
)
def test_the_limits_that_hold_for_a_job(profile: ResolvedProfile, limits: list[int]) -> None:
    assert [each.tasks for each in read_submit_limits(ASSOCIATIONS, QUALITIES, profile)] == limits


def answer(monkeypatch: pytest.MonkeyPatch, **answers: str | SlurmError) -> list[str]:
    """Let Slurm's commands say this, and keep what was asked."""
    asked: list[str] = []

    def say(*command: str, seconds: float = 0) -> str:
        asked.append(" ".join(command))
        said = answers.get(command[0], "")
        if isinstance(said, SlurmError):
            raise said
        return said

    for module in (admission, offers):
        monkeypatch.setattr(module, "ask", say)
    return asked


CONFIG = "MaxArraySize            = {size}\nMaxJobCount             = 10000\nAccountingStorageType   = {accounting}\n"


def test_the_array_is_bounded_by_its_greatest_index(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer(monkeypatch, scontrol=CONFIG.format(size=1001, accounting="accounting_storage/none"))
    assert submit_limit(ResolvedProfile(), 100) == SubmitLimit(1001, "MaxArraySize 1001")
    assert asked == ["scontrol show config"]


def test_many_jobs_count_against_those_of_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    config = CONFIG.format(size=100001, accounting="accounting_storage/none")
    answer(monkeypatch, scontrol=config, squeue="PD\n" * 7000)
    assert submit_limit(ResolvedProfile(), 9000) == SubmitLimit(2999, "MaxJobCount 10000, less the jobs there are")


def test_the_users_own_jobs_count_against_the_users_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    config = CONFIG.format(size=1001, accounting="accounting_storage/slurmdbd")
    answer(monkeypatch, scontrol=config, sacctmgr=ASSOCIATIONS, squeue="PD\nR\n")
    found = submit_limit(ResolvedProfile(name="x", account="other"), 10)
    assert found == SubmitLimit(7, "MaxSubmitJobs 9 of your account other, 2 of them in use")


def test_accounting_that_keeps_silent_bounds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    config = CONFIG.format(size=1001, accounting="accounting_storage/slurmdbd")
    answer(monkeypatch, scontrol=config, sacctmgr=SlurmError("connection refused"))
    assert submit_limit(ResolvedProfile(), 10).tasks == 1001


def test_a_refusal_stands_alone_where_slurm_tells_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = SlurmError("connection refused")
    answer(monkeypatch, sacctmgr=silent)

    def refuse() -> None:
        raise silent

    monkeypatch.setattr(offers, "read_partitions", refuse)
    assert str(with_offers("sbatch refused: no")) == "sbatch refused: no; nothing was submitted"
    answer(monkeypatch, sacctmgr="lab|long,normal\nother|normal\n")
    assert str(with_offers("sbatch refused: no")).split("\n")[1:] == [
        "  allowed here: account lab, other",
        "  allowed here: qos long, normal",
    ]
