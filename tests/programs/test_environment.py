"""The environment of a program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from cnnjobs.programs.environment import environment_of, parameters_text, path_note, search_path
from cnnjobs.programs.reported import ProgramPlaces
from tests.programs.test_command import NAMES, VALUES, st


@pytest.fixture
def places(tmp_path: Path) -> ProgramPlaces:
    return ProgramPlaces(
        run_id="r1", sweep_id="s1", attempt=2, outputs=tmp_path / "out", checkpoints=tmp_path / "checkpoints",
        metrics_file=tmp_path / "m.jsonl", working_folder=tmp_path,
    )  # fmt: skip


def environment(places: ProgramPlaces, base: dict[str, str], **given: Any) -> dict[str, str]:
    return environment_of(places, base, parameter_file=places.outputs / "p.yaml", **given)


def test_it_tells_the_places_of_the_run(places: ProgramPlaces) -> None:
    found = environment(places, {"HOME": "/home/me"}, seed=3, goes_on=True, threads=2)
    assert found.pop("PATH")
    assert found == {
        "HOME": "/home/me",
        "WANDB_MODE": "offline",
        "WANDB_DIR": str(places.outputs),
        "WANDB_RUN_ID": "r1",
        "WANDB_SWEEP_ID": "s1",
        "WANDB_SWEEP_PARAM_PATH": str(places.outputs / "p.yaml"),
        "CNNJOBS_RUN_DIR": str(places.outputs),
        "CNNJOBS_CHECKPOINT_DIR": str(places.checkpoints),
        "CNNJOBS_METRICS": str(places.metrics_file),
        "CNNJOBS_ATTEMPT": "1",
        "CNNJOBS_RESUME": "1",
        "CNNJOBS_SEED": "3",
        "SLURM_JOB_NAME": "interactive",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "2",
    }


def test_what_is_not_so_is_not_there(places: ProgramPlaces) -> None:
    found = environment(places, {})
    assert found.keys().isdisjoint({"CNNJOBS_RESUME", "CNNJOBS_SEED", "OMP_NUM_THREADS"})


def test_another_run_around_it_is_not_seen(places: ProgramPlaces) -> None:
    outer = {
        **{"WANDB_RUN_ID": "outer", "WANDB_SWEEP_ID": "outer", "WANDB_RESUME": "must", "WANDB_SERVICE": "2-1-tcp"},
        **{"RANK": "3", "LOCAL_RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "x", "TORCHELASTIC_RUN_ID": "x"},
        **{"SLURM_PROCID": "0", "SLURM_NTASKS": "1", "SLURM_STEP_ID": "0", "SLURM_JOB_NAME": "cnnjobs-s1"},
        **{"CNNJOBS_RESUME": "1", "CNNJOBS_SEED": "7", "CNNJOBS_METRICS": "/other/run"},
    }
    mine = {"WANDB_API_KEY": "k", "WANDB_PROJECT": "p", "SLURM_JOB_ID": "12", "SLURM_CPUS_PER_TASK": "4", "LR": "0.1"}
    found = environment(places, {**outer, **mine})
    assert {name: value for name, value in found.items() if outer.get(name) == value} == {}
    assert {name: found[name] for name in mine} == mine
    assert "RANK" not in found
    assert "CNNJOBS_RESUME" not in found


def test_what_the_user_has_chosen_stays(places: ProgramPlaces) -> None:
    chosen = {"WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": ""}
    found = environment(places, chosen, threads=8)
    assert {name: found[name] for name in chosen} == chosen


def test_python_is_that_of_the_active_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = tmp_path / "venv" / "bin", tmp_path / "other"
    other.mkdir(parents=True)
    (other / "python").touch(0o755)
    monkeypatch.setattr(sys, "executable", str(own / "python"))
    monkeypatch.setattr(sys, "prefix", str(own.parent))
    assert search_path({"PATH": f"{other}:{own}"}) == f"{other}:{own}"
    assert search_path({"PATH": f"{other}", "CONDA_PREFIX": "x"}) == f"{other}"
    assert search_path({"PATH": f"{other}"}) == f"{own}:{other}"
    assert path_note({"PATH": f"{other}", "CONDA_PREFIX": "x"}) == ""
    own.mkdir(parents=True)
    (own / "python").touch(0o755)
    note = f"`python` is {own}/python, as cnnjobs itself, not {other}/python: no environment is active"
    assert path_note({"PATH": f"{other}"}) == note
    assert search_path({"PATH": "/nowhere", "VIRTUAL_ENV": "x"}) == f"/nowhere:{own}"
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "pipx" / "venvs" / "cnnjobs"))
    assert search_path({"PATH": f"{other}"}) == f"{other}"


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_wandbs_reader_finds_the_parameters(parameters: dict[str, Any]) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML, which wandb reads with, is not installed")
    read = yaml.safe_load(parameters_text(parameters))
    assert read.pop("wandb_version") == 1
    # NaN is not equal to itself.
    assert repr(read) == repr({name: {"value": value} for name, value in parameters.items()})


def test_wandb_itself_finds_them(places: ProgramPlaces, tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    places.outputs.mkdir()
    (places.outputs / "p.yaml").write_text(parameters_text({"lr": 1e-5, "deep": {"a": [1, None]}, "name": "ä on"}))
    program = "import wandb; run = wandb.init(); print(repr(dict(run.config)), run.id, run.sweep_id)"
    found = environment(places, {**os.environ, "WANDB_MODE": "disabled"})
    done = subprocess.run([sys.executable, "-c", program], env=found, capture_output=True, text=True, check=False)
    assert done.stdout.split("\n")[-2].startswith("{'lr': 1e-05, 'deep': {'a': [1, None]}, 'name': 'ä on'}"), done
