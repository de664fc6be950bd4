"""Files of a results folder that a power cut, a full disk or another person has left damaged, or that are no files."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cnnjobs.disk import fence
from cnnjobs.disk.run_folder import RunRecord, RunState, RunStore
from cnnjobs.disk.submission_folder import JobArray, SubmissionFolder
from cnnjobs.launch.local.workers import living_workers, prune
from cnnjobs.launch.plan.carrying_out import carried_out
from cnnjobs.launch.plan.plan import make_plan
from cnnjobs.report.results.table import ResultsTable
from cnnjobs.slurm.commands import SlurmError
from cnnjobs.status.overview import overview
from cnnjobs.status.repair import put_in_order
from cnnjobs.status.sweeps import OpenSweep
from cnnjobs.sweep.file import Sweep

Put = Callable[..., None]
LINE = '{"attempt": 1, "step": 5, "epoch": 1.0, "seconds": 1.0, "validation.accuracy": 0.5}\n'
VICTIM = b"another person's file\n"


def _socket(path: Path) -> None:
    # The path of a socket may be short only.
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(before)


DAMAGES: dict[str, bytes] = {
    "empty": b"",
    "NUL": b"\0" * 64,
    "torn": b'{"run_id": "x", "sta',
    "whole line, torn": b'{"step": 1\n{"step": 2}\n',
    "wrong types": b'{"run_id": 7, "attempts": "many", "step": "one", "job_id": [], "runs": null}\n',
    "another shape": b"[1, 2]\n",
    "a number": b"7\n",
    "no UTF-8": b"\xff\xfe{\n",
    "deep": b"[" * 20_000 + b"\n",
}
OTHERS: dict[str, Callable[[Path], object]] = {
    "folder": Path.mkdir,
    "full folder": lambda path: (path / "more").mkdir(parents=True),
    "pipe": os.mkfifo,
    "socket": _socket,
    "link": lambda path: path.symlink_to(
        next(each for each in path.parents if each.name == "results").parent / "victim"
    ),
    "dead link": lambda path: path.symlink_to("nowhere"),
    "endless link": lambda path: path.symlink_to(path.name),
}
KINDS = [*DAMAGES, *OTHERS]
FILES = ["record.json", "metrics.jsonl", "config.yaml", "cancelled.txt", ".successor", "checkpoint.pt"]
OF_THE_SWEEP = [
    ".launcher", ".origin", "jobs/1/intent.json", "jobs/1/id.json", "jobs/1/outcomes.jsonl", "jobs/1/breaker",
    "jobs/0001/workers.json", "jobs/0001/job-1.json",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_hanging() -> Iterator[None]:
    """Fail a test that waits for a pipe, and not the whole suite."""
    signal.alarm(60)
    yield
    signal.alarm(0)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file outside of the results that links point to."""
    file = tmp_path / "victim"
    file.write_bytes(VICTIM)
    return file


def damage(path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind in DAMAGES:
        path.write_bytes(DAMAGES[kind])
    else:
        OTHERS[kind](path)


@pytest.fixture
def opened(sweep: Sweep, store: RunStore, put: Put) -> OpenSweep:
    """Two finished runs and one that was interrupted."""
    for index in (0, 1):
        put(index, RunState.FINISHED, metrics={"test.accuracy": 0.9})
        store.run(sweep.runs[index].run_id).metrics_file.write_text(LINE)
    put(2, RunState.INTERRUPTED, cause="stopped")
    store.run(sweep.runs[2].run_id).metrics_file.write_text(LINE)
    store.keep_sweep_file(sweep.text)
    return OpenSweep(sweep, store, "four")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("index", "name"), [(0, "record.json"), (0, "metrics.jsonl"), *((2, name) for name in FILES)])
def test_a_damaged_file_concerns_its_run_alone(
    opened: OpenSweep, victim: Path, name: str, kind: str, index: int
) -> None:
    sweep, store = opened.sweep, opened.store
    folder, other = (store.run(sweep.runs[place].run_id) for place in (index, 1))
    damage(folder.path / name, kind)

    seen = {status.run_id: status for status in overview(opened).snapshot.runs}
    assert len(seen) == 4
    assert seen[other.run_id].final == {"test.accuracy": 0.9}
    assert ResultsTable.load(sweep, store).records[other.run_id].state is RunState.FINISHED
    assert len(make_plan(sweep, store).runs) == 4
    if name == "record.json" and "link" not in kind:
        assert (seen[folder.run_id].state, "record.json is damaged" in str(seen[folder.run_id].cause)) == (
            RunState.INTERRUPTED,
            True,
        )

    # A worker takes it up.
    with carried_out(sweep, store) as plan:
        if name == "config.yaml" and folder.run_id in {run.run_id for run in plan.to_run}:
            assert folder.read_config() == sweep.runs[index].config
    with folder.claim() as log:
        assert log is not None
        fence.announce(folder)
        fence.withdraw(folder)
        log.keep_up_to(0)
        log.append({"step": 1})
        before = folder.read_record()
        folder.write_record(before.model_copy(update={"state": RunState.FINISHED, "cause": None}))
    assert folder.read_record().state is RunState.FINISHED
    assert folder.read_metrics() == [{"step": 1}]
    assert victim.read_bytes() == VICTIM
    kept = sorted(path.name for path in folder.path.iterdir() if ".damaged" in path.name)
    if name == "record.json" and "link" not in kind:
        assert kept == ["record.json.damaged"]
        assert "record.json was damaged" in folder.read_record().notes[0]
    if name == "metrics.jsonl" and kind in OTHERS:
        assert kept == ["metrics.jsonl.damaged"]
        assert "metrics.jsonl was no file" in folder.read_record().notes[0]
    if name == "metrics.jsonl" and DAMAGES.get(kind, b"\n").endswith(b"\n") and kind in DAMAGES:
        assert (folder.path / "metrics.jsonl.damaged").read_bytes() == DAMAGES[kind]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", OF_THE_SWEEP)
def test_a_damaged_file_of_a_sweep_leaves_its_runs_in_sight(
    opened: OpenSweep, victim: Path, name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, store = opened.sweep, opened.store
    monkeypatch.setenv("PATH", "")
    whole = SubmissionFolder(store.jobs_folder / "1")
    tasks = ((sweep.runs[0].run_id,),)
    array = JobArray(
        job_name="cnnjobs-four-1",
        tasks=tasks,
        store=store.path,
        created="2026-01-01T00:00:00+00:00",
        host="h",
        user="u",
    )
    whole.write_array(array)
    whole.write_id(1)
    damage(store.path / name, kind)
    seen = overview(opened)
    assert [status.state for status in seen.snapshot.runs][:2] == [RunState.FINISHED, RunState.FINISHED]
    if name.endswith("intent.json") and "link" not in kind:
        assert any(f"{name} is damaged" in notice for notice in seen.notices)
    assert living_workers(store) == []
    make_plan(sweep, store)
    # There is no Slurm here, and that alone may be told.
    with suppress(SlurmError):
        put_in_order(store)
    prune(store)
    assert victim.read_bytes() == VICTIM


def test_weights_of_a_damaged_record_are_kept_when_the_run_starts_from_nothing(opened: OpenSweep) -> None:
    folder = opened.store.run(opened.sweep.runs[0].run_id)
    folder.model_file.write_bytes(b"weights of three days")
    damage(folder.record_file, "empty")
    with folder.claim():
        pass
    assert (folder.path / "model.pt.damaged").read_bytes() == b"weights of three days"
    record = folder.read_record()
    assert record.notes[0] == "record.json was damaged (it is empty): set aside as record.json.damaged"
    assert isinstance(record, RunRecord)
