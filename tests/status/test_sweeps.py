from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cnnjobs.disk.run_folder import RunStore
from cnnjobs.errors import InputError, UnknownNameError
from cnnjobs.launch.plan.carrying_out import carried_out
from cnnjobs.status.sweeps import QUICKSTART, latest_sweep, open_quickstart, open_sweep
from cnnjobs.sweep.file import Sweep


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_by_its_file(here: Path, sweep: Sweep) -> None:
    opened = open_sweep("four.yaml", Path("results"))
    assert (opened.sweep.name, opened.store.path, opened.word) == ("four", Path("results/four"), "four.yaml")


def test_by_its_name_without_its_file(here: Path, sweep: Sweep, store: RunStore) -> None:
    # The copy's own name says nothing when the file gives none.
    store.keep_sweep_file(sweep.text.replace("name: four\n", ""))
    sweep.path.unlink()
    for opened in (open_sweep("four", Path("results")), latest_sweep(Path("results"))):
        assert (opened.sweep.name, opened.store.path, opened.word) == ("four", Path("results/four"), "four")


def test_the_latest_is_the_one_started_last(here: Path, sweep: Sweep) -> None:
    for age, name in enumerate(("new", "old")):
        store = RunStore(here / "results" / name)
        store.keep_sweep_file(sweep.text)
        os.utime(store.sweep_file, (1e9 - age, 1e9 - age))
    assert latest_sweep(Path("results")).sweep.name == "new"


def test_a_second_file_of_the_same_name_takes_nothing_over(here: Path, sweep: Sweep, store: RunStore) -> None:
    with carried_out(sweep, store):
        pass
    second = here / "second.yaml"
    second.write_text(sweep.text)
    # A copy asks for the same; another file of that name does not.
    assert open_sweep("second.yaml", Path("results")).store.path == Path("results/four")
    second.write_text(sweep.text.replace("0.2", "0.3"))
    told = r"^second.yaml: `name: four` is that of .*/four.yaml, too, from which results/four was started: .* another"
    with pytest.raises(InputError, match=told):
        open_sweep("second.yaml", Path("results"))
    # The file itself may be edited, and what it was started from may be asked by its name, or by its copy.
    sweep.path.write_text(sweep.text.replace("0.2", "0.5"))
    for given in ("four.yaml", "four", "results/four/sweep.yaml", "results/four"):
        assert open_sweep(given, Path("results")).sweep.name == "four"
    # A project that was copied with its results has its own file.
    shutil.copytree(here, here / "copy" / "of" / "all")
    copied = here / "copy" / "of" / "all"
    (copied / "four.yaml").write_text(sweep.text.replace("0.2", "0.7"))
    assert open_sweep(str(copied / "four.yaml"), copied / "results").sweep.name == "four"
    # So may one whose results tell of the file in full, as an earlier version kept it.
    kept = RunStore(copied / "results/four")
    kept.origin_file.write_text(str(sweep.path.resolve()))
    assert kept.origin() is None
    assert open_sweep(str(copied / "four.yaml"), copied / "results").sweep.name == "four"
    # A file that was renamed, moved or given another name goes on.
    sweep.path.rename(here / "away.yaml")
    opened = open_sweep("second.yaml", Path("results"))
    with carried_out(opened.sweep, opened.store):
        pass
    with pytest.raises(InputError, match="too, from which"):
        open_sweep("away.yaml", Path("results"))
    second.write_text(sweep.text.replace("name: four", "name: five"))
    assert open_sweep("away.yaml", Path("results")).sweep.name == "four"


def test_words_survive_a_shell(here: Path, sweep: Sweep) -> None:
    sweep.path.rename("my sweep.yaml")
    assert open_sweep("my sweep.yaml", Path("results")).word == "'my sweep.yaml'"


def test_the_quickstart_comes_with_the_package(here: Path) -> None:
    opened = open_quickstart(Path("results"))
    assert (opened.sweep.path, opened.word) == (QUICKSTART, "")
    assert opened.sweep.name == "quickstart"


@pytest.mark.parametrize("started", [False, True])
def test_unknown_names(here: Path, sweep: Sweep, store: RunStore, started: bool) -> None:
    if started:
        store.keep_sweep_file(sweep.text)
    with pytest.raises(UnknownNameError) as unknown:
        open_sweep("fuor", Path("results"))
    assert str(unknown.value) == (
        "`fuor` is no sweep file and no sweep under results; did you mean `four`? allowed: four, four.yaml"
        if started
        else "`fuor` is no sweep file and no sweep under results; allowed: four.yaml"
    )


def test_nothing_was_started(here: Path) -> None:
    with pytest.raises(InputError) as unknown:
        latest_sweep(Path("results"))
    assert str(unknown.value) == "no sweep was started under results; start the first one with: cnnjobs local"
