from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnnjobs import registry
from cnnjobs.config.choice import schema
from cnnjobs.console.own_code import show_code, show_differences
from cnnjobs.disk.run_folder import Attempt, RunFolder, RunRecord, RunState, RunStore
from cnnjobs.errors import InputError
from cnnjobs.launch.plan.carrying_out import carried_out, restore_code
from cnnjobs.launch.plan.plan import Action, Plan, Selection, make_plan
from cnnjobs.status.overview import overview
from cnnjobs.status.own_code import CodeChoice
from cnnjobs.status.sweeps import open_sweep, open_to_start
from cnnjobs.sweep.file import read_sweep
from cnnjobs.system import own_modules

SWEEP = """\
name: own
base: {dataset: fashion_mnist_mini, model: "box.nets:Net", epochs: 10}
seeds: %d
"""
NET = "def Net(in_channels, num_classes, *, width: int = 4): ...\n"
Told = Callable[[], list[str]]


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a network of the user's own, in the folder where commands are started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(own_modules._Path, "chosen", None)
    (tmp_path / "box").mkdir()
    file = tmp_path / "box" / "nets.py"
    file.write_text(NET)
    return file


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """Output since the last call."""
    return lambda: [line.removeprefix("note: ") for line in capsys.readouterr().err.splitlines()]


def planned(seeds: int, **wishes: Any) -> Plan:
    Path("own.yaml").write_text(SWEEP % seeds)
    opened = open_to_start("own.yaml", Path("results"), wishes.get("code"))
    return make_plan(opened.sweep, opened.store, Selection(**wishes))


def started(seeds: int, **wishes: Any) -> Plan:
    Path("own.yaml").write_text(SWEEP % seeds)
    sweep = read_sweep(Path("own.yaml"))
    with carried_out(sweep, RunStore(Path("results/own")), Selection(**wishes)) as plan:
        return plan


def end(folder: RunFolder, state: RunState, code: str | None) -> None:
    attempt = Attempt(number=1, host="n", pid=1, started="2026-12-01T00:00:00+00:00")
    folder.write_record(RunRecord(run_id=folder.run_id, state=state, code=code, attempts=(attempt,), epochs_done=1))
    if state is not RunState.FINISHED:
        folder.checkpoint_file.write_bytes(b"whole")


def actions(plan: Plan) -> list[Action]:
    return [each.action for each in plan.runs]


def test_runs_go_on_with_their_code_and_begin_with_the_new(nets: Path, told: Told) -> None:
    plan = started(3)
    first = plan.code.hash
    folders = [plan.store.run(run.run_id) for run in plan.to_run]
    for folder, state in zip(folders, (RunState.FINISHED, RunState.INTERRUPTED, RunState.FAILED), strict=True):
        end(folder, state, first)
    show_code(planned(3))
    assert told() == []

    nets.write_text(NET + "# changed\n")
    plan = planned(4)
    assert actions(plan) == [Action.FINISHED, Action.RESUMED, Action.FAILED, Action.NEW]
    assert [each.code for each in plan.runs[1:]] == [first, first, plan.code.hash]
    show_code(plan)
    assert told() == [
        "1 finished, kept, but box/nets.py has changed since: --code new trains them again, --code kept goes on with"
        " the old code",
        "1 to go on with the code that they began with: box/nets.py has changed since; --code new starts anew",
        "1 left as they are, though box/nets.py has changed since: --code new trains them again",
        "1 new run begins with the code as it is now",
    ]
    again = planned(4, retry_failed=True)
    assert (again.runs[2].action, again.runs[2].code) == (Action.AGAIN, first)
    # Nothing is trained yet of one that failed in its first epoch: it begins with what was corrected.
    folders[2].checkpoint_file.unlink()
    again = planned(4, retry_failed=True)
    assert (again.runs[2].code, again.runs[2].changed) == (plan.code.hash, ())
    assert {each.code for each in planned(4, force=True).runs} == {plan.code.hash}


@pytest.mark.parametrize("choice", ["new", "kept"])
def test_what_the_user_chooses(nets: Path, told: Told, choice: CodeChoice) -> None:
    plan = started(2)
    first = plan.code.hash
    for folder in (plan.store.run(run.run_id) for run in plan.to_run):
        end(folder, RunState.FINISHED, first)
    nets.write_text(NET.replace("width", "breadth") if choice == "kept" else NET + "# changed\n")
    plan = planned(3, code=choice)
    show_code(plan)
    if choice == "new":
        assert actions(plan) == [Action.AGAIN, Action.AGAIN, Action.NEW]
        assert [each.from_nothing for each in plan.runs] == [True, True, False]
        assert plan.code.hash != first
        assert told() == []
    else:
        # Also where the file as it is now gives other runs.
        assert actions(plan) == [Action.FINISHED, Action.FINISHED, Action.NEW]
        assert {each.code for each in plan.runs} == {plan.code.hash} == {first}
        assert told() == [
            "2 finished, kept, with the old code: box/nets.py has changed since",
            "1 new run begins with the old code",
        ]
        assert len(open_sweep("own", Path("results")).sweep.runs) == 2


def test_what_is_looked_at_is_read_by_the_code_of_the_last_start(nets: Path) -> None:
    ids = [run.run_id for run in started(2).to_run]
    nets.unlink()
    # As in another process.
    schema.cache_clear()
    registry._imported.cache_clear()
    assert [run.run_id for run in open_sweep("own", Path("results")).sweep.runs] == ids
    with pytest.raises(InputError, match=r"no module `box\.nets` can be found"):
        open_to_start("own", Path("results"), None)


def test_a_damaged_copy_is_told_and_written_anew_from_the_same_code(nets: Path) -> None:
    plan = started(1)
    run, copies = plan.to_run[0], plan.store.codes
    end(plan.store.run(run.run_id), RunState.FINISHED, plan.code.hash)
    copy = copies.folder(str(plan.code.hash)) / "box" / "nets.py"
    copy.write_text("Net = 1\n")
    for cache in (schema, registry._imported):
        cache.cache_clear()
    opened = open_sweep("own", Path("results"))
    assert [each.run_id for each in opened.sweep.runs] == [run.run_id]
    assert [text for text in overview(opened).notices if "has been changed" in text]
    with pytest.raises(InputError, match="has been changed; put it back"):
        planned(1, code="kept")
    nets.write_text(NET + "# another\n")
    assert not restore_code(planned(1))
    nets.unlink()
    for cache in (schema, registry._imported):
        cache.cache_clear()
    with pytest.raises(InputError, match="the copy of the code that runs were submitted with has been changed"):
        open_sweep("own", Path("results"))
    nets.write_text(NET)
    assert restore_code(planned(1))
    assert copy.read_text() == NET
    assert overview(open_sweep("own", Path("results"))).notices == ()
    assert not restore_code(planned(1))


def test_runs_without_a_copy_go_on_as_before(nets: Path, told: Told) -> None:
    plan = started(2)
    folders = [plan.store.run(run.run_id) for run in plan.to_run]
    end(folders[0], RunState.FINISHED, None)
    end(folders[1], RunState.INTERRUPTED, None)
    nets.write_text(NET + "# changed\n")
    plan = planned(2, code="new")
    assert actions(plan) == [Action.FINISHED, Action.RESUMED]
    show_code(plan)
    assert told() == ["2 runs are older than copies of code: whether your own code has changed since is not known"]
    show_differences(folders)
    assert told() == ["2 runs: older than copies of code; box.nets is used as it is now"]
    folders[0].use_code(folders[0].read_record().code)
    assert own_modules.place() == Path.cwd()


def test_a_start_that_comes_to_nothing_leaves_no_copy(nets: Path) -> None:
    sweep = read_sweep(Path("own.yaml")) if Path("own.yaml").write_text(SWEEP % 1) else None
    assert sweep is not None
    store = RunStore(Path("results/own"))
    (Path("results") / "own").mkdir(parents=True)
    (store.path / sweep.runs[0].run_id).write_text("in the way")
    with pytest.raises(InputError), carried_out(sweep, store):
        pass
    assert not store.codes.path.exists()


def test_no_code_to_go_on_with(nets: Path) -> None:
    with pytest.raises(InputError, match="--code kept: results/own has no copy of code to go on with; leave --code"):
        planned(1, code="kept")
