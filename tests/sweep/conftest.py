"""Sweep files written in tests: read from a folder of their own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

# Modules of this room that several test files share.
sys.path.insert(0, str(Path(__file__).parent))

from cnnjobs.errors import SpecError
from cnnjobs.sweep.file import Sweep, read_sweep


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Sweep]:
    """Read a text as the file `sweep.yaml` of the working folder."""
    monkeypatch.chdir(tmp_path)

    def write_and_read(text: str) -> Sweep:
        path = Path("sweep.yaml")
        path.write_text(dedent(text), encoding="utf-8")
        return read_sweep(path)

    return write_and_read


@pytest.fixture
def mistakes(read: Callable[[str], Sweep]) -> Callable[[str], list[str]]:
    """The lines of the error that a text is answered with, each without the file's name."""

    def lines(text: str) -> list[str]:
        with pytest.raises(SpecError) as error:
            read(text)
        return [line.removeprefix("sweep.yaml:") for line in str(error.value).split("\n")]

    return lines


@pytest.fixture
def is_answered(mistakes: Callable[[str], list[str]], tmp_path: Path) -> Callable[[str, list[str]], None]:
    """Checks that a bad file is answered with these messages, all at once; `{cwd}` in them is the working folder."""

    def check(text: str, expected: list[str]) -> None:
        assert mistakes(text) == [line.replace("{cwd}", str(tmp_path)) for line in expected]

    return check


@pytest.fixture
def write_nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's own module `mynets` in the working folder, with a network `net` that has an option `depth`."""
    signature = "def net(in_channels, num_classes, image_size, *, depth: int = 1):"
    text = f"import torch\n\n{signature}\n    return torch.nn.Identity()\n"
    (tmp_path / "mynets.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
