from __future__ import annotations

from pathlib import Path

import pytest

from cnnjobs.errors import InputError
from cnnjobs.launch.place import Place, find_place, place_for, profile_file


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def test_without_sbatch_it_is_this_machine(programs: Path) -> None:
    assert find_place() == Place("local", "`sbatch` is not installed here")


def test_without_scontrol_it_is_this_machine(programs: Path) -> None:
    program(programs, "sbatch", "")
    assert find_place() == Place("local", "`sbatch` is installed here, but `scontrol` is not")


def test_without_a_controller_it_is_this_machine_with_slurms_own_words(programs: Path) -> None:
    program(programs, "sbatch", "")
    program(programs, "scontrol", "echo 'Slurmctld(primary) at vm is DOWN'; exit 1")
    assert find_place() == Place(
        "local", "no Slurm controller answers (`scontrol ping`: Slurmctld(primary) at vm is DOWN)"
    )


def test_a_controller_that_keeps_silent(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnnjobs.launch.place._PATIENCE_S", 0.05)
    program(programs, "sbatch", "")
    program(programs, "scontrol", "exec /bin/sleep 60")
    assert find_place() == Place("local", "`scontrol ping` gave no answer within 0.05 s")


def test_where_slurm_answers_plans_are_made_and_nothing_is_launched(programs: Path) -> None:
    program(programs, "sbatch", "")
    program(programs, "scontrol", "echo 'Slurmctld(primary) at vm is UP'")
    assert find_place().name == "slurm"
    found = "Slurm answers here (Slurmctld(primary) at vm is UP), and this version does not launch on it"
    assert place_for("cnnjobs local x.yaml", dry_run=True) == Place("local", found)
    with pytest.raises(InputError) as refused:
        place_for("cnnjobs local x.yaml", dry_run=False)
    assert str(refused.value) == f"{found}; run on this machine with: cnnjobs local x.yaml"


def test_profiles_by_name_path_and_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert profile_file(None) is None
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/local.yaml").write_text("")
    assert profile_file(None) == Path("jobs/local.yaml")
    assert profile_file("big") == Path("jobs/big.yaml")
    assert profile_file("elsewhere/big.yml") == Path("elsewhere/big.yml")
