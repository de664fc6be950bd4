"""TensorBoard's view of a sweep: its runs by their labels, those that have not started too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from cnnjobs.errors import InputError
from cnnjobs.status.run_status import label
from cnnjobs.status.sweeps import OpenSweep


@contextmanager
def labelled(opened: OpenSweep) -> Iterator[Path]:
    """A folder for as long as it is looked at, in which each run goes by its label.

    It holds links, to runs that start later as well; where a system allows none it is the sweep's own folder.
    """
    with TemporaryDirectory(prefix="cnnjobs-") as folder:
        try:
            for run in opened.sweep.runs:
                name = label(run).replace("/", "∕").strip(". ") or run.run_id
                place = Path(folder) / name
                target = opened.store.run(run.run_id).path.resolve()
                (place if not place.is_symlink() else place.with_name(run.run_id)).symlink_to(target, True)
        except OSError:
            yield opened.store.path
            return
        yield Path(folder)


def check_tensorboard(opened: OpenSweep) -> None:
    """Raises InputError where there is no TensorBoard, or nothing to see in it."""
    if find_spec("tensorboard") is None:
        raise InputError("the package `tensorboard` is not installed; install it with: pip install tensorboard")
    if opened.sweep.is_of_program:
        files = opened.store.path / "*" / "files"
        raise InputError(
            f"{opened.sweep.name} runs a program, which keeps event files of its own: look with tensorboard --logdir at"
            f" the folder that it writes to, or at {files}"
        )
    if not any(opened.store.run(run.run_id).event_files() for run in opened.sweep.runs):
        raise InputError(f"no run of {opened.sweep.name} has started; start them with: cnnjobs local {opened.word}")


def show_in_tensorboard(folder: Path, port: int) -> int:
    """Serve the folder until TensorBoard ends or Ctrl-C is pressed; its exit code."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", str(port)]
    with subprocess.Popen(command) as server:
        try:
            return server.wait()
        except KeyboardInterrupt:
            server.wait()
            return 0
