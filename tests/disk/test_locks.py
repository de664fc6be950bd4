from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cnnjobs.disk import locks

HOLDER = """
import sys, time
from pathlib import Path
from cnnjobs.disk import locks
with locks.hold(Path(sys.argv[1])) as hold:
    print("held" if hold else "refused", flush=True)
    time.sleep(60)
"""


def start_holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_a_file_is_held_by_one_process_until_that_dies(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert not locks.is_held(path)
    holder = start_holder(path)
    assert locks.is_held(path)
    with locks.hold(path) as hold:
        assert hold is None
    kill(holder)
    assert not locks.is_held(path)
    with locks.hold(path) as hold:
        assert hold is not None
        assert hold.by_kernel
        assert locks.is_held(path)


def test_a_look_at_the_lock_does_not_refuse_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with path.open("rb") as looker:
        fcntl.flock(looker, fcntl.LOCK_SH)
        os.set_inheritable(looker.fileno(), True)
        look = subprocess.Popen(["sleep", "0.02"], pass_fds=[looker.fileno()])
    try:
        with locks.hold(path) as hold:
            assert hold is not None
    finally:
        look.wait()


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_mark_counts_while_its_process_lives(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    assert not locks.is_held(path)
    with locks.hold(path) as hold:
        assert hold is not None
        assert not hold.by_kernel
        assert locks.is_held(path)
        with locks.hold(path) as second:
            assert second is None
    assert not locks.is_held(path)

    mark = tmp_path / ".file.holder"
    dead = subprocess.Popen(["true"])
    dead.wait()
    mark.write_text(f"{socket.gethostname()} {dead.pid}")
    assert not locks.is_held(path)
    with locks.hold(path) as hold:
        assert hold is not None
    mark.write_text("another-host 1")
    assert locks.is_held(path)
    with locks.hold(path) as hold:
        assert hold is None


def test_an_error_of_the_work_itself_goes_through(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="work"), locks.hold(tmp_path / "file"):
        raise OSError(errno.ENOLCK, "work")
