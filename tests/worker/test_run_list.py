from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from waiting import until

from cnnjobs.config.run import RunConfig
from cnnjobs.disk.run_folder import RunFolder, RunState
from cnnjobs.training.loop import checkpoint
from cnnjobs.worker.run_list import StopRequest, run_job
from cnnjobs.worker.workloads import prepare_process


def test_a_process_that_trains_flushes_denormals_and_the_next_test_counts_with_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    tiny = torch.tensor([1e-40])
    assert (tiny * 1).item() > 0
    prepare_process(1, None)
    assert (tiny * 1).item() == 0


def assert_whole(folder: RunFolder) -> None:
    """Every file of a run can be read, whatever happened to its process."""
    folder.read_config()
    folder.read_record()
    steps = [line["step"] for line in folder.read_metrics()]
    assert steps == sorted(set(steps))
    checkpoints = [file for file in (folder.checkpoint_file, folder.previous_checkpoint_file) if file.exists()]
    assert all(isinstance(checkpoint._read(file, folder.run_id), dict) for file in checkpoints)
    if folder.model_file.exists():
        torch.load(folder.model_file, weights_only=True)
    assert len(folder.event_files()) <= 1


def assert_same_results(toy: Any, folder: RunFolder, expected: RunFolder) -> None:
    record, other = folder.read_record(), expected.read_record()
    assert (record.state, record.metrics, record.best_epoch) == (RunState.FINISHED, other.metrics, other.best_epoch)
    assert toy.timeless(folder.read_metrics()) == toy.timeless(expected.read_metrics())
    weights, others = (torch.load(one.model_file, weights_only=True) for one in (folder, expected))
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in others)
    names = {file.name.partition(".tfevents")[0] for file in folder.path.iterdir()}
    assert names == {"config.yaml", "record.json", "metrics.jsonl", "model.pt", "predictions.npz", "events.out"}
    assert len(folder.event_files()) == 1


def allow_again(folder: RunFolder) -> None:
    """Allow new starts, as a retry does: starts that ended without an error message no longer count."""
    record = folder.read_record()
    if record.state is RunState.INTERRUPTED:
        folder.write_record(record.model_copy(update={"state": RunState.PENDING}))


def undisturbed(jobs: Any, nursery: Any, run: RunConfig) -> RunFolder:
    (folder,) = jobs.add(run)
    assert nursery.wait(nursery.start(jobs.file())) == 0
    assert folder.read_record().state is RunState.FINISHED
    return folder


@pytest.fixture
def other_jobs(jobs: Any, tmp_path: Path) -> Any:
    return type(jobs)(tmp_path / "other")


def test_a_run_killed_at_random_moments_ends_as_if_it_had_never_been(
    jobs: Any, other_jobs: Any, nursery: Any, toy: Any
) -> None:
    run = toy.config(model__name="toys:Slow", augment=["crop", "flip"], schedule="cosine", epochs=5, validate_every=0.5)
    expected = undisturbed(other_jobs, nursery, run)
    (folder,) = jobs.add(run)
    moments = random.Random(3)
    killed, latest = 0, 20
    while folder.read_record().state is not RunState.FINISHED:
        killed += nursery.wait(nursery.start(jobs.file(), crash_at=moments.randint(1, latest))) != 0
        latest += 2  # so that it ends
        assert_whole(folder)
        allow_again(folder)
    assert killed >= 2
    # One that dies right after its last record leaves its checkpoints to the next worker that passes.
    assert nursery.wait(nursery.start(jobs.file())) == 0
    assert_same_results(toy, folder, expected)


def test_a_run_that_dies_before_any_change_of_the_disk_ends_the_same(
    jobs: Any, other_jobs: Any, nursery: Any, toy: Any, tmp_path: Path
) -> None:
    run = toy.config(epochs=2, dataset__train=32)
    expected = undisturbed(other_jobs, nursery, run)
    died, exit_code = 0, -signal.SIGKILL
    while exit_code == -signal.SIGKILL:
        died += 1
        own = type(jobs)(tmp_path / str(died))
        (folder,) = own.add(run)
        exit_code = nursery.wait(nursery.start(own.file(), crash_at=died))
        assert_whole(folder)
        assert nursery.wait(nursery.start(own.file())) == 0
        assert_same_results(toy, folder, expected)
    assert exit_code == 0
    assert died > 15


def test_sigterm_stops_at_the_next_step_and_the_run_goes_on_later(
    jobs: Any, other_jobs: Any, nursery: Any, toy: Any
) -> None:
    run = toy.config(model__name="toys:Slow", epochs=4)
    expected = undisturbed(other_jobs, nursery, run)
    first, second = jobs.add(run, toy.config(model__name="toys:Slow", epochs=4, seed=9))
    folder = next(one for one in (first, second) if one.run_id == min(first.run_id, second.run_id))
    worker = nursery.start(jobs.file())
    until(lambda: bool(folder.read_metrics()))
    os.kill(worker, signal.SIGTERM)
    assert nursery.wait(worker) == 0
    record = folder.read_record()
    assert (record.state, record.cause) == (RunState.INTERRUPTED, "stopped")
    assert record.attempts[0].ended is not None
    other = second if folder is first else first
    assert other.read_record().state is RunState.PENDING
    assert nursery.wait(nursery.start(jobs.file())) == 0
    assert other.read_record().state is RunState.FINISHED
    assert_same_results(toy, first, expected)


def test_two_workers_share_a_list_and_do_nothing_twice(jobs: Any, nursery: Any, toy: Any) -> None:
    folders = jobs.add(*(toy.config(model__name="toys:Slow", epochs=2, seed=seed) for seed in range(6)))
    job_file = jobs.file()
    workers = [nursery.start(job_file) for _ in range(2)]
    assert [nursery.wait(worker) for worker in workers] == [0, 0]
    records = [folder.read_record() for folder in folders]
    assert [record.state for record in records] == [RunState.FINISHED] * 6
    assert [len(record.attempts) for record in records] == [1] * 6
    assert {record.attempts[0].pid for record in records} == set(workers)
    assert all(len(folder.read_metrics()) == 2 for folder in folders)


def test_a_failed_run_leaves_the_others_alone_and_is_not_started_again(
    jobs: Any, toy: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad, last = jobs.add(toy.config(), toy.config(model__name="toys:Breaking"), toy.config(seed=1))
    run_job(jobs.file())
    states = [folder.read_record().state for folder in (good, bad, last)]
    assert states == [RunState.FINISHED, RunState.FAILED, RunState.FINISHED]
    said = capsys.readouterr().out.splitlines()
    assert f"{bad.run_id}: attempt 1, cpu, threads: 1" in said
    assert any(line.startswith(f"{bad.run_id}: failed: ValueError: the eleventh step is too much (") for line in said)
    run_job(jobs.file())
    assert capsys.readouterr().out == ""
    assert [len(folder.read_record().attempts) for folder in (good, bad, last)] == [1, 1, 1]


def test_a_folder_that_is_gone_is_told_and_breaks_the_worker_only_in_the_end(
    jobs: Any, toy: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    gone, folder = sorted(jobs.add(toy.config(), toy.config(seed=1)), key=lambda one: one.run_id)
    job_file = jobs.file()
    gone.config_file.unlink()
    gone.path.rmdir()
    with pytest.raises(Exception, match="cannot be written"):
        run_job(job_file)
    assert f"{gone.run_id}: its end could not be written: StorageError: " in capsys.readouterr().out
    assert folder.read_record().state is RunState.FINISHED


def test_a_cancelled_run_is_not_started_and_a_run_of_another_worker_is_left(
    jobs: Any, toy: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    cancelled, taken = jobs.add(toy.config(), toy.config(seed=1))
    cancelled.write_record(cancelled.read_record().model_copy(update={"state": RunState.CANCELLED}))
    with taken.claim():
        run_job(jobs.file())
    assert capsys.readouterr().out == f"{taken.run_id}: another worker has it\n"
    assert cancelled.read_record().state is RunState.CANCELLED
    assert taken.read_record().state is RunState.PENDING


def test_checkpoints_that_a_crash_left_beside_a_finished_run_go(jobs: Any, toy: Any) -> None:
    (folder,) = jobs.add(toy.config(epochs=1))
    run_job(jobs.file())
    folder.checkpoint_file.touch()
    run_job(jobs.file())
    assert not folder.checkpoint_file.exists()


def test_a_file_system_without_locks_is_noted(jobs: Any, toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno
    import fcntl

    def refuse(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    (folder,) = jobs.add(toy.config(epochs=1))
    run_job(jobs.file())
    record = folder.read_record()
    assert record.state is RunState.FINISHED
    assert record.notes == (
        "this file system has no file locks: a mark in the run folder kept other processes away instead",
    )
    assert not [file for file in folder.path.iterdir() if "holder" in file.name]


def test_a_full_disk_fails_the_run_and_keeps_what_was_there(jobs: Any, toy: Any) -> None:
    # A file system that takes no larger file refuses the checkpoint and nothing else.
    (folder,) = jobs.add(toy.config(model__width=100, epochs=2))
    job_file = jobs.file()
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, unlimited[1]))
    try:
        run_job(job_file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    record = folder.read_record()
    assert record.state is RunState.FAILED
    assert record.cause == (
        f"{folder.checkpoint_file}: cannot be written (File too large); choose another folder with --results"
    )
    assert_whole(folder)
    assert len(folder.read_metrics()) == 1
    assert not [file for file in folder.path.iterdir() if file.name.endswith(".tmp")]


def test_planning_a_worker_loads_no_torch() -> None:
    program = "import sys, cnnjobs.worker.run_list; assert not {'torch', 'numpy', 'tensorboard'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_threads_and_devices_are_set_before_torch_comes(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from cnnjobs.worker.workloads import prepare_process\n"
        "device, notes = prepare_process(1, None)\n"
        "import torch\n"
        "assert torch.get_num_threads() == 1\n"
        "assert os.environ['OMP_NUM_THREADS'] == os.environ['MKL_NUM_THREADS'] == '1'\n"
        "assert os.environ['CUDA_VISIBLE_DEVICES'] == ''\n"
        "assert (str(device), notes) == ('cpu', ())\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.usefixtures("jobs")
def test_a_gpu_that_torch_does_not_find_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    device, notes = prepare_process(1, 3)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"
    assert (str(device), notes) == ("cpu", ("GPU 3 was given but torch finds none: trained on the CPU",))


def test_ctrl_c_asks_once_and_then_insists() -> None:
    stop = StopRequest()
    before = signal.getsignal(signal.SIGINT)
    with stop.listening():
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
