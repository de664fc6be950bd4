"""Effects of a signal on a worker's children, and on the decoding of a data set."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from cnnjobs.components.data import cache
from cnnjobs.components.files import image_folders
from cnnjobs.disk.outage import Storage
from cnnjobs.disk.run_folder import RunState, RunStore
from cnnjobs.system.stop_request import Stopped, StopRequest
from cnnjobs.training.data.pipeline import DataSets
from cnnjobs.training.loop.workload import NetworkWorkload
from cnnjobs.worker.attempt import RunAttempt
from cnnjobs.worker.claim.claimed_run import ClaimedRun

PROGRAM = """
import os, signal, time
from cnnjobs.system.stop_request import StopRequest
stop = StopRequest()
stop.listen_to_slurm()
child = os.fork()
if not child:
    os.kill(os.getpid(), signal.SIGUSR2)
    os.kill(os.getpid(), signal.SIGTERM)
    os._exit(0)
_, status = os.waitpid(child, 0)
os.kill(os.getpid(), signal.SIGUSR2)
print(os.WTERMSIG(status), stop.time_limit_ahead)
"""


def test_a_forked_child_passes_over_the_time_limit_and_ends_at_sigterm() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(int(signal.SIGTERM)), "True"]


def ask_at(call: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which has a stop asked for in its n-th call, twice as Slurm may."""
    calls = [0]

    def asking(*given: Any) -> Any:
        calls[0] += 1
        if calls[0] == call:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.002)
        return function(*given)

    return asking


@pytest.mark.parametrize(("module", "name", "call"), [(image_folders, "_pixels", 20), (cache, "_write_array", 2)])
def test_a_stop_ends_the_decoding_and_the_next_start_goes_on_with_it(
    toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, call: int
) -> None:
    for split, number in (("train", 60), ("test", 4)):
        for label in ("dark", "light"):
            place = tmp_path / "shades" / split / label
            place.mkdir(parents=True)
            for index in range(number):
                Image.new("L", (8, 8), 90 + 80 * (label == "light")).save(place / f"{index}.png")
    monkeypatch.setenv("CNNJOBS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(image_folders, "_IMAGES_PER_TASK", 4)
    monkeypatch.setattr(image_folders, "_num_cores", lambda: 2)
    stop = StopRequest()
    data_sets = DataSets([tmp_path], torch.device("cpu"), interruptible=stop.interrupting)
    run = toy.config(dataset={"name": "shades"}, epochs=1)
    folder = RunStore(tmp_path / "sweep").run(run.run_id)
    folder.create(run)

    def start() -> RunState:
        with ClaimedRun.take(Storage(folder, stop, lambda _: None)) as claimed:
            return RunAttempt(claimed, NetworkWorkload(data_sets), threads=1).execute()

    calls: list[None] = []
    with monkeypatch.context() as patch, stop.listening():
        original = getattr(module, name)
        patch.setattr(module, name, ask_at(call, lambda *given: (calls.append(None), original(*given))[1]))
        assert start() is RunState.INTERRUPTED
    assert len(calls) < {"_pixels": 100, "_write_array": 3}[name]
    (begun,) = (tmp_path / "cache").iterdir()
    assert begun.name.startswith(".cnnjobs-writing-shades-")
    assert folder.read_record().cause == "stopped"
    with pytest.raises(Stopped):
        data_sets.get(run)
    stop.received.clear()
    again: list[None] = []
    pixels = image_folders._pixels
    monkeypatch.setattr(image_folders, "_pixels", lambda *given: (again.append(None), pixels(*given))[1])
    assert start() is RunState.FINISHED
    # One more for the size of all.
    assert len(again) == 1 if name == "_write_array" else 1 < len(again) <= 129 - 4 * 3
    assert not begun.exists()


def test_a_stop_after_the_decoding_waits_for_the_next_step() -> None:
    stop = StopRequest()
    with stop.listening():
        with stop.interrupting():
            pass
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop()
