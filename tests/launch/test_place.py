from __future__ import annotations

from pathlib import Path

import pytest

from cnnjobs.errors import InputError
from cnnjobs.launch.plan.place import Place, find_place, place_for, profile_file, slurm_profile


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
        "local", "no Slurm controller answers (`scontrol ping`: Slurmctld(primary) at vm is DOWN)", slurm_is_down=True
    )


def test_a_controller_that_keeps_silent(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnnjobs.launch.plan.place._PATIENCE_S", 0.05)
    program(programs, "sbatch", "")
    program(programs, "scontrol", "exec /bin/sleep 60")
    assert find_place() == Place("local", "`scontrol ping` gave no answer within 0.05 s", slurm_is_down=True)


def test_where_slurm_answers_it_is_slurm(programs: Path) -> None:
    program(programs, "sbatch", "")
    program(programs, "scontrol", "echo 'Slurmctld(primary) at vm is UP'")
    assert find_place() == Place("slurm", "Slurmctld(primary) at vm is UP")
    assert place_for("cnnjobs local x.yaml", dry_run=False) == find_place()


def test_a_cluster_that_is_down_is_not_replaced_by_its_login_node(programs: Path) -> None:
    program(programs, "sbatch", "")
    program(programs, "scontrol", "echo 'Slurmctld(primary) at vm is DOWN'; exit 1")
    with pytest.raises(InputError) as refused:
        place_for("cnnjobs local x.yaml", dry_run=False)
    assert str(refused.value) == (
        "no Slurm controller answers (`scontrol ping`: Slurmctld(primary) at vm is DOWN); try again later,"
        " or run on this machine with: cnnjobs local x.yaml"
    )
    assert place_for("cnnjobs local x.yaml", dry_run=True).name == "local"


def test_slurm_without_a_cluster_is_this_machine(programs: Path) -> None:
    program(programs, "sbatch", "")
    program(programs, "scontrol", "echo 'fetch_config: DNS SRV lookup failed' >&2; exit 1")
    assert place_for("cnnjobs local x.yaml", dry_run=False).name == "local"


def test_profiles_by_name_path_and_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert profile_file(None) is None
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/local.yaml").write_text("")
    assert profile_file(None) == Path("jobs/local.yaml")
    assert profile_file(None, slurm_profile(has_gpus=True)) is None
    (tmp_path / "jobs/slurm-gpu.yaml").write_text("")
    assert profile_file(None, slurm_profile(has_gpus=True)) == Path("jobs/slurm-gpu.yaml")
    assert profile_file("big") == Path("jobs/big.yaml")
    assert profile_file("elsewhere/big.yml") == Path("elsewhere/big.yml")
