"""The words that name runs: each reading once, and what fits several refused with the words that name each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cnnjobs.cli.network.networks import find_run_or_model
from cnnjobs.disk.run_folder import RunStore
from cnnjobs.errors import InputError, UnknownNameError
from cnnjobs.launch.cancel import plan_cancelling
from cnnjobs.status.named_runs import find_folder, find_target, find_targets
from cnnjobs.status.sweeps import open_sweep
from cnnjobs.sweep.file import Sweep, read_sweep

BASE = "base: {dataset: fashion_mnist_mini, model: lenet5, epochs: 2}\n"


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("results")


def start(results: Path, name: str, text: str, *, runs: bool = True) -> Sweep:
    """A started sweep with the folders of its runs."""
    store = RunStore(results / name)
    store.keep_sweep_file(text)
    sweep = read_sweep(store.sweep_file)
    for run in sweep.runs if runs else ():
        store.run(run.run_id).create(run.config)
    return sweep


def names(word: str, results: Path) -> str:
    return find_target(word, results).name


FORMS = ["{id}", "{id:.36}", "lr=0.1", "lr=0", "one/{id}", "one/lr=0.1", "one/{id:.36}", "{folder}"]
PATHS = ["results/one/lr=0.1", "./one/lr=0.1", "one//lr=0.1", "{sweep}/lr=0.1"]


@pytest.mark.parametrize("form", [*FORMS, *PATHS])
def test_a_run_has_many_names(results: Path, form: str) -> None:
    run, *_ = start(
        results, "one", f"name: one\n{BASE}seeds: [0]\nvariants: {{lr=0.1: {{lr: 0.1}}, rest: {{lr: 3}}}}\n"
    ).runs
    start(results, "other", f"name: other\n{BASE.replace('2', '3')}variants: {{small: {{lr: 0.01}}}}\n")
    sweep = (results / "one").absolute()
    word = form.format(id=run.run_id, folder=sweep / run.run_id, sweep=sweep)
    assert names(word, results) == f"one/{run.run_id}"
    assert find_folder(word, results).path.resolve() == (results / "one" / run.run_id).resolve()


@pytest.mark.parametrize("word", ["", " "])
def test_an_empty_word_names_nothing_where_there_is_one_run(results: Path, word: str) -> None:
    start(results, "one", f"name: one\n{BASE}")
    for find in (find_target, find_folder, open_sweep):
        with pytest.raises(UnknownNameError, match="is it a variable that is not set"):
            find(word, results)


def test_the_same_run_in_two_sweeps_is_named_by_its_sweep(results: Path) -> None:
    (run,) = start(results, "one", f"name: one\n{BASE}").runs
    start(results, "two", f"name: two\n{BASE}")
    for find in (find_target, find_folder, lambda word, where: find_targets([word], where)):
        for word in (run.run_id, run.run_id[:12], "lenet5"):
            listed = (
                rf"fits 2 runs: (one|two)/{run.run_id} \(lenet5\), (one|two)/{run.run_id} \(lenet5\); name one of them"
            )
            with pytest.raises(InputError, match=listed):
                find(word, results)
    assert names(f"two/{run.run_id}", results) == f"two/{run.run_id}"
    assert find_folder("one/lenet5", results).path == results / "one" / run.run_id


def test_a_sweep_called_like_a_run_of_another_is_named_by_its_folder(results: Path) -> None:
    start(results, "lenet5", f"name: lenet5\n{BASE}seeds: 2\n")
    (run,) = start(results, "one", f"name: one\n{BASE.replace('2', '3')}").runs
    with pytest.raises(
        InputError, match=r"fits 2 sweeps and runs: results/lenet5 \(the sweep of 2 runs\), one/lenet5-"
    ):
        find_target("lenet5", results)
    assert find_target("results/lenet5", results).is_whole
    # Where one run is asked for, a sweep of several is not meant.
    assert find_folder("lenet5", results).run_id == run.run_id
    with pytest.raises(InputError, match="is no run id"):
        find_folder("nothing", results)


def test_a_sweep_whose_only_run_is_called_like_it_is_both(results: Path) -> None:
    (run,) = start(results, "lenet5", f"name: lenet5\n{BASE}").runs
    assert find_target("lenet5", results).is_whole
    assert find_folder("lenet5", results).run_id == run.run_id


def test_a_label_that_looks_like_the_run_of_a_sweep_is_asked_about(results: Path) -> None:
    """Where only one of the readings fits anything, it is taken."""
    labels = "variants: {two/small: {lr: 0.1}, two/rest: {lr: 0.2}, one/x: {lr: 0.3}}\n"
    small, rest, own = start(results, "one", f"name: one\n{BASE}{labels}").runs
    (other,) = start(results, "two", f"name: two\n{BASE}variants: {{small: {{lr: 3}}}}\n").runs
    for find in (find_target, find_folder):
        with pytest.raises(InputError, match=f"fits 2 runs: two/{other.run_id} .*, one/{small.run_id} "):
            find("two/small", results)
    assert names("two/rest", results) == f"one/{rest.run_id}"
    assert names("one/x", results) == f"one/{own.run_id}"
    assert names(f"two/{other.run_id}", results) == f"two/{other.run_id}"


def test_a_run_that_the_file_asks_for_no_more_can_be_cancelled(results: Path) -> None:
    first, second = start(results, "one", f"name: one\n{BASE}seeds: [0, 1]\n").runs
    start(results, "one", f"name: one\n{BASE}seeds: [0]\n", runs=False)
    target = find_target(f"one/{second.run_id}", results)
    assert (target.name, [run.run_id for run in target.runs]) == (f"one/{second.run_id}", [second.run_id])
    plan = plan_cancelling(target)
    assert [status.run_id for status in plan.chosen] == [second.run_id]
    assert first.run_id not in {status.run_id for status in plan.chosen}


def test_a_run_goes_before_the_model_that_is_called_alike(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert find_run_or_model("lenet5", results) is None
    (run,) = start(results, "one", f"name: one\n{BASE}").runs
    found = find_run_or_model("lenet5", results)
    assert found is not None
    assert found.run_id == run.run_id
    told = capsys.readouterr().err
    assert told.startswith(f"note: `lenet5` is read as the run one/{run.run_id}, which is called so; ")
    assert "the model itself is '{name: lenet5}'" in told
    assert find_run_or_model("{name: lenet5}", results) is None
    # What only a model has says that one is meant.
    assert find_run_or_model("lenet5", results, is_model=True) is None
    start(results, "two", f"name: two\n{BASE}")
    with pytest.raises(InputError, match=re.escape("; the model itself is '{name: lenet5}'")):
        find_run_or_model("lenet5", results)
    # The beginning of an id is no name of a model.
    assert find_run_or_model(f"two/{run.run_id[:9]}", results) is not None


def test_an_import_path_that_is_a_label_names_the_run(results: Path) -> None:
    text = f"name: one\n{BASE}variants: {{'torchvision/resnet18': {{lr: 0.1}}, 'own:Net': {{lr: 0.2}}}}\n"
    first, second = start(results, "one", text).runs
    for run, word in ((first, "torchvision/resnet18"), (second, "own:Net")):
        found = find_run_or_model(word, results)
        assert found is not None
        assert found.run_id == run.run_id
        assert names(word, results) == f"one/{run.run_id}"
    assert find_run_or_model("torchvision/resnet50", results) is None


def test_what_is_nothing(results: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no sweep was started"):
        find_target("x", results)
    start(results, "one", f"name: one\n{BASE}")
    with pytest.raises(UnknownNameError, match="is no run id"):
        find_target("y" * 400, results)
    alone = tmp_path / "elsewhere" / "run"
    alone.mkdir(parents=True)
    (alone / "config.yaml").write_text("{}\n")
    with pytest.raises(InputError, match="lies in no folder of a sweep"):
        find_target(str(alone), results)
    assert find_folder(str(alone), results).path == alone
