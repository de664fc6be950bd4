"""Whatever the terminal, the locale and the shell's redirections are, a command writes what it has to say."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnnjobs.console.streams import READABLE, UNREAD, nearest_ascii

SWEEP = """\
name: hüte
base: {dataset: fashion_mnist_mini, model: cnn}
method: grid
parameters: {lr: {values: [0.1, 0.2]}}
"""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("3×32 ± 1 – …", "3x32 +/- 1 - ..."),
        ("hüte λ µ Σ", "hute lambda u sigma"),
        ("╭─┬─╮│━", "+-+-+|-"),
        ("日本", "??"),
        ("a\udcff", "a\\xff"),
    ],
)
def test_a_sign_that_cannot_be_shown_becomes_the_nearest_one(text: str, shown: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors=READABLE)
    stream.write(text)
    stream.flush()
    assert stream.buffer.getvalue().decode() == shown  # type: ignore[attr-defined]


def test_what_an_encoding_has_stays() -> None:
    assert "3×ü±".encode("latin-1", READABLE) == "3×ü±".encode("latin-1")
    assert "∞".encode("latin-1", READABLE) == b"inf"
    assert "\udcff".encode("utf-8", READABLE) == b"\\xff"


def test_every_character_has_a_replacement() -> None:
    assert all(nearest_ascii(chr(number)).isascii() for number in range(0x80, 0x3000))


def call(folder: Path, *words: str, out: int = subprocess.PIPE, **variables: str) -> subprocess.CompletedProcess[bytes]:
    (folder / "s.yaml").write_text(SWEEP, encoding="utf-8")
    known = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "PYTHON", "LANG"))}
    command = [sys.executable, "-m", "cnnjobs", *words]
    environment = {**known, **variables}
    return subprocess.run(command, cwd=folder, env=environment, stdout=out, stderr=subprocess.PIPE, check=False)


def test_ascii_under_another_locale_is_enough(tmp_path: Path) -> None:
    done = call(tmp_path, "local", "s.yaml", "--dry-run", LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode("ascii").startswith("hute: 2 runs: 2 new\n")


def test_a_name_of_no_ascii_is_a_folder_under_any_locale(tmp_path: Path) -> None:
    code = (
        "import cnnjobs.console.streams as s; s.prepare(); from pathlib import Path; "
        "Path('h\\u00fcte').mkdir(); open('\\u03bb', 'w').write('\\u00fc')"
    )
    command = [sys.executable, "-c", code]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"}, check=True)
    assert (tmp_path / "hüte").is_dir()
    assert (tmp_path / "λ").read_text(encoding="utf-8") == "ü"


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    shell = (
        f"mkdir gone && cd gone && rmdir ../gone && {sys.executable} -m cnnjobs local {tmp_path / 's.yaml'} --dry-run"
    )
    (tmp_path / "s.yaml").write_text(SWEEP, encoding="utf-8")
    done = subprocess.run(shell, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    told = "error: the folder in which this shell stands is gone; go to another one with: cd\n"
    assert (done.returncode, done.stderr) == (2, told)


def test_a_closed_output_is_none_that_files_get(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SWEEP, encoding="utf-8")
    shell = f"{sys.executable} -m cnnjobs local s.yaml --dry-run >&- <&-"
    done = subprocess.run(shell, shell=True, cwd=tmp_path, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("full", [False, True])
def test_an_output_that_nobody_reads_has_the_exit_code_of_a_broken_pipe(tmp_path: Path, full: bool) -> None:
    if full:
        reader = os.open("/dev/full", os.O_WRONLY)
    else:
        read, reader = os.pipe()
        os.close(read)
    done = call(tmp_path, "local", "s.yaml", "--dry-run", out=reader)
    os.close(reader)
    told = b"error: the output cannot be written: No space left on device\n" if full else b""
    assert (done.returncode, done.stderr) == (UNREAD, told)


def test_a_help_that_is_read_no_further_is_no_failure(tmp_path: Path) -> None:
    read, reader = os.pipe()
    os.close(read)
    done = call(tmp_path, "sweep", "--help", out=reader)
    os.close(reader)
    assert (done.returncode, done.stderr) == (UNREAD, b"")


def test_bash_completes(tmp_path: Path) -> None:
    words = {"_CNNJOBS_COMPLETE": "complete_bash", "COMP_WORDS": "cnnjobs stat", "COMP_CWORD": "1"}
    assert call(tmp_path, **words).stdout.split() == [b"status"]
