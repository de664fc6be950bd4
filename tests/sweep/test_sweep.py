from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnjobs.errors import InputError, UnknownNameError
from cnnjobs.sweep.file import Sweep, read_sweep
from cnnjobs.sweep.search import EarlyTerminate

ROOT = Path(__file__).parents[2]
BASE = "base: {dataset: mnist, model: cnn}\n"


@pytest.mark.parametrize("path", [*sorted((ROOT / "sweeps").glob("*.yaml")), ROOT / "cnnjobs/bundled/quickstart.yaml"])
def test_the_sweeps_of_this_repository_are_read_without_a_word(path: Path) -> None:
    sweep = read_sweep(path)
    assert sweep.runs
    assert sweep.notices == ()
    assert sweep.text == path.read_text(encoding="utf-8")


def test_the_quickstart_pairs_its_runs() -> None:
    sweep = read_sweep(ROOT / "sweeps/quickstart.yaml")
    assert {run.variant for run in sweep.runs} == {run.label for run in sweep.runs} > {"LeNet-5"}
    assert sweep.pairs[0].differing == {"model.batch_norm": (False, True)}
    assert len(sweep.pairs[0].before) == len({run.config.seed for run in sweep.runs})


def test_reading_a_sweep_loads_nothing_heavy() -> None:
    program = (
        "import sys; from pathlib import Path; from cnnjobs.sweep.file import read_sweep\n"
        "assert read_sweep(Path('sweeps/quickstart.yaml')).runs\n"
        "heavy = {'torch', 'numpy', 'pandas', 'matplotlib', 'submitit', 'tensorboard', "
        "'torchvision'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_name_and_the_description_are_read(read: Callable[[str], Sweep]) -> None:
    sweep = read(f"name: My first sweep\ndescription: |\n  Two\n  lines\n{BASE}")
    assert (sweep.name, sweep.description, sweep.path) == ("My first sweep", "Two\nlines\n", Path("sweep.yaml"))
    assert read(BASE).name == "sweep"


def test_a_file_wrapped_in_sweep_is_read_and_said(read: Callable[[str], Sweep]) -> None:
    sweep = read("sweep:\n  method: grid\n  base: {dataset: mnist, model: cnn}\n  parameters: {lr: {values: [1, 2]}}\n")
    assert [run.label for run in sweep.runs] == ["lr=1", "lr=2"]
    assert sweep.notices == ("sweep.yaml:1: sweep: read as if its content stood at the top of the file",)


def test_a_network_of_the_users_own_is_checked_like_ours(
    read: Callable[[str], Sweep], mistakes: Callable[[str], list[str]], write_nets: None
) -> None:
    text = (
        "method: grid\nbase: {dataset: mnist, model: 'mynets:net'}\nparameters: {model.depth: {values: [1, VALUE]}}\n"
    )
    assert [run.config.model.options for run in read(text.replace("VALUE", "2")).runs] == [{"depth": 1}, {"depth": 2}]
    assert mistakes(text.replace("VALUE", "deep")) == ['3: model.depth: found "deep"; allowed: a whole number']


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "task3.yaml").write_text(BASE, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", ["sweeps/tsk3.yaml", "task3", "task3.yaml", "sweeps/task3"])
def test_a_missing_file_is_answered_with_the_nearest_one(folder: Path, name: str) -> None:
    with pytest.raises(UnknownNameError) as error:
        read_sweep(Path(name))
    assert str(error.value) == f"{name}: no such file; did you mean `sweeps/task3.yaml`?"


def test_a_folder_is_no_sweep(folder: Path) -> None:
    with pytest.raises(InputError, match=r"^sweeps: is a folder; name sweeps/task3.yaml$"):
        read_sweep(Path("sweeps"))


def test_ten_thousand_runs_are_all_different(read: Callable[[str], Sweep]) -> None:
    parameters = {
        "lr": {"values": [number / 1000 for number in range(1, 51)]},
        "batch_size": {"min": 1, "max": 20},
        "model.dropout": {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.1},
    }
    sweep = read(json.dumps({"method": "grid", "base": {"dataset": "mnist", "model": "cnn"}, "parameters": parameters}))
    assert len({run.run_id for run in sweep.runs}) == len({run.label for run in sweep.runs}) == 10_000


def test_categorical_with_probabilities_and_a_strict_hyperband_are_read(read: Callable[[str], Sweep]) -> None:
    sweep = read("""\
        method: random
        run_cap: 2
        early_terminate: {type: hyperband, min_iter: 3, strict: true}
        base: {dataset: mnist, model: cnn}
        parameters:
          optimizer: {distribution: categorical, values: [adam, sgd], probabilities: [0, 1]}
          lr: {min: 0.1, max: 0.2}
        """)
    assert [run.config.optimizer.name for run in sweep.runs] == ["sgd", "sgd"]
    assert sweep.early_terminate == EarlyTerminate(min_iter=3, strict=True)


def test_a_folded_name_has_no_dash_at_its_end(read: Callable[[str], Sweep]) -> None:
    sweep = read("name: >\n  my long\n  name\nbase: {dataset: mnist, model: cnn}\n")
    assert (sweep.name, sweep.notices) == ("my long name", ())
