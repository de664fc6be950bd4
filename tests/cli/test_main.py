"""Exit codes and messages, without any training."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

Call = Callable[..., tuple[int, str, str]]


def test_version(call: Call) -> None:
    assert call("--version") == (0, f"cnnjobs {metadata.version('cnnjobs')}\n", "")


def test_help_names_every_command(call: Call) -> None:
    code, out, _ = call("--help")
    assert code == 0
    for command in ("local", "sweep", "status", "report", "show"):
        assert f" {command} " in out
        assert call(command, "-h") == call(command, "--help")


@pytest.mark.parametrize("words", [("lokal",), ("local", "--forse"), ("show",)], ids=" ".join)
def test_usage_mistakes_are_exit_code_2(call: Call, words: tuple[str, ...]) -> None:
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert "Error" in err


def test_unreadable_sweeps_are_told_beside_the_others(call: Call, tmp_path: Path) -> None:
    good = "name: good\nbase: {dataset: fashion_mnist_mini, model: lenet5}\n"
    for name, text in (("good", good), ("bad", good.replace("lenet5", "lenet6"))):
        (tmp_path / "results" / name).mkdir(parents=True)
        (tmp_path / "results" / name / "sweep.yaml").write_text(text)
    code, out, err = call("status")
    assert code == 2
    assert out.startswith("good: 1 run: 1 pending\n")
    assert err.startswith("error: results/bad/sweep.yaml:2: ")
    for make in (Path.mkdir, os.mkfifo):
        (tmp_path / "results" / "bad" / "sweep.yaml").rename(tmp_path / make.__name__)
        make(tmp_path / "results" / "bad" / "sweep.yaml")
        code, out, err = call("status")
        assert code == 2
        assert out.startswith("good: 1 run: 1 pending\n")
        assert err.startswith("error: results/bad/sweep.yaml: ")
