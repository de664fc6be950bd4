"""Working folder of a program, and other writers there."""

from __future__ import annotations

import os
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from cnnjobs.config.program import ProgramConfig
from cnnjobs.disk.code_copies import CodeCopies, Comparison, collect
from cnnjobs.disk.run_folder import RunFolder, RunState
from cnnjobs.programs.shared_files import Written
from cnnjobs.programs.working_folder import open_for_writing, own_working_folder
from tests.programs.conftest import Runs

WRITES = "import os; open('train.log', 'a').write('x'); os.makedirs('out', exist_ok=True); open('out/best', 'w')"


@pytest.fixture
def other(runs: Runs) -> Runs:
    """Another run of the same sweep."""
    folder = RunFolder(runs.folder.path.with_name("other-run"))
    folder.create(runs.folder.read_config())
    return Runs(folder)


def test_two_runs_that_write_one_file_are_told_by_name(runs: Runs, other: Runs) -> None:
    assert runs.python(WRITES) is RunState.FINISHED
    assert not any("overwrite" in note for note in runs.record.notes)
    assert other.python(WRITES) is RunState.FINISHED
    (note,) = (note for note in other.record.notes if "overwrite" in note)
    assert note.startswith(f"wrote `out/best`, `train.log` in the working folder, as {runs.folder.run_id} did")


def test_runs_at_the_same_time_are_told_apart_by_what_their_processes_open(runs: Runs, other: Runs) -> None:
    text = (
        "import os, sys, time; mine = sys.argv[1][-1]; open(f'started.{mine}', 'w')\n"
        "while not (os.path.exists('started.a') and os.path.exists('started.b')): time.sleep(0.01)\n"
        "open('best.pt', 'w'); open(f'own.{mine}', 'w'); os.makedirs('.cache', exist_ok=True); open('.cache/x', 'w')"
    )
    Path("train.py").write_text(text)
    command = [sys.executable, "${program}", "${args}"]
    both = [(runs, "a"), (other, "b")]
    fork = get_context("fork")
    workers = [
        fork.Process(target=run.attempt, kwargs={"program": "train.py", "command": command, "parameters": {"n": n}})
        for run, n in both
    ]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert {run.record.state for run, _ in both} == {RunState.FINISHED}
    notes = [note for run, _ in both for note in run.record.notes if "overwrite" in note]
    assert notes
    assert all(note.startswith("wrote `best.pt` in the working folder, as ") for note in notes)


def test_what_programs_write_is_no_part_of_the_code(runs: Runs) -> None:
    results = runs.folder.path.parent.parent
    config = ProgramConfig(program="train.py")
    Path("settings.json").write_text("{}")
    command = [sys.executable, "${program}"]
    Path("history.json").write_text("before")
    Path("train.py").write_text("open('history.json', 'w').write('x')")
    before = collect([config], {}, Path.cwd(), results)
    assert before is not None
    assert "history.json" in before.contents
    copies = CodeCopies(runs.folder.path.parent / "code")
    copies.keep(before)
    assert runs.attempt(program="train.py", command=command) is RunState.FINISHED
    now = collect([config], {}, Path.cwd(), results)
    assert now is not None
    assert sorted(now.contents) == ["settings.json", "train.py"]
    assert Comparison(copies, now, Path.cwd()).changed(before.hash, config) == ()
    Path("settings.json").write_text("[]")
    now = collect([config], {}, Path.cwd(), results)
    assert Comparison(copies, now, Path.cwd()).changed(before.hash, config) == ("settings.json",)


def test_one_run_twice_and_files_of_its_own_are_no_matter(runs: Runs, other: Runs) -> None:
    own = "import os; open(f'{os.environ[\"CNNJOBS_RUN_DIR\"]}/a.log', 'a')"
    for _ in range(2):
        assert runs.python(WRITES) is RunState.FINISHED
        runs.folder.record_file.unlink()
    assert other.python(own) is RunState.FINISHED
    assert not any("overwrite" in note for each in (runs, other) for note in each.record.notes)


def test_a_folder_of_its_own_keeps_them_apart(runs: Runs, other: Runs) -> None:
    Path("data").mkdir()
    Path("data/images").write_text("some")
    Path("train.log").write_text("before ")
    text = "from pathlib import Path; print(Path('data/images').read_text(), Path('train.log').read_text());" + WRITES
    for each in (runs, other):
        assert each.python(text, workdir="run") is RunState.FINISHED
        assert "some before " in each.said
        assert (each.folder.program_folder / "workdir" / "train.log").read_text() == "before x"
        assert not any("overwrite" in note for note in each.record.notes)
    assert Path("train.log").read_text() == "before "


def test_the_results_are_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "results" / "sweep").mkdir(parents=True)
    (tmp_path / "large").write_bytes(b"")
    own_working_folder(tmp_path, tmp_path / "results" / "own", tmp_path / "results")
    assert [each.name for each in (tmp_path / "results" / "own").iterdir()] == ["large"]


def written(run_id: str, started: float, ended: float, **files: Any) -> Written:
    return Written(run_id=run_id, folder="/p", started=started, ended=ended, **files)


def test_of_runs_at_the_same_time_only_what_both_had_open_counts() -> None:
    first = written("a", 0, 10, changed=("x", "y"), opened=("y",))
    beside = written("b", 5, 15, changed=("x", "y"), opened=("y",))
    after = written("c", 11, 12, changed=("x",))
    assert first.shares(beside) == beside.shares(first) == {"y"}
    assert first.shares(after) == {"x"}
    assert first.shares(first) == set()


def test_a_file_that_is_open_for_writing_is_seen(tmp_path: Path) -> None:
    with (tmp_path / "a").open("w"), (tmp_path / "a").open():
        assert open_for_writing(os.getpid(), tmp_path) == {"a"}
    assert open_for_writing(os.getpid(), tmp_path) == set()
