"""Exit codes and messages, without any training."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from cnnjobs.cli.main import run

Call = Callable[..., tuple[int, str, str]]
SHAPE = "write channels, height and width of a square image, for example 3,32,32"


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """call("status", ...) -> exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def made(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cnnjobs", *words])
        with pytest.raises(SystemExit) as stop:
            run()
        told = capsys.readouterr()
        return int(stop.value.code or 0), told.out, told.err

    return made


def test_version(call: Call) -> None:
    assert call("--version") == (0, f"cnnjobs {metadata.version('cnnjobs')}\n", "")


def test_help_names_every_command(call: Call) -> None:
    code, out, _ = call("--help")
    assert code == 0
    for command in ("local", "sweep", "status", "report", "show"):
        assert f" {command} " in out
        assert call(command, "--help")[0] == 0


@pytest.mark.parametrize("words", [("lokal",), ("local", "--forse"), ("show",)], ids=" ".join)
def test_usage_mistakes_are_exit_code_2(call: Call, words: tuple[str, ...]) -> None:
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert "Error" in err


def test_show_a_model(call: Call) -> None:
    code, out, err = call("show", "cnn")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "cnn: 10 classes, input 3 x 32 x 32"
    assert out.splitlines()[-1] == "390,410 parameters, 28,803,712 MACs"


def test_show_a_model_with_options(call: Call) -> None:
    code, out, _ = call("show", "{name: cnn, hidden: []}", "--input", "1,28,28", "--classes", "3")
    assert code == 0
    assert out.splitlines()[0] == "cnn: 3 classes, input 1 x 28 x 28"


def test_show_a_run_by_its_id_and_by_its_folder(call: Call, tmp_path: Path) -> None:
    from cnnjobs.runs import RunRecord, RunStore
    from cnnjobs.spec.run import RunConfig

    config = RunConfig.model_validate({"dataset": "fashion_mnist", "model": "lenet5"})
    store = RunStore(tmp_path / "results" / "any")
    store.keep_sweep_file("")
    folder = store.run(config.run_id)
    folder.create(config)
    folder.write_record(RunRecord(run_id=config.run_id, input_shape=(1, 28, 28), classes=("a", "b")))
    for word in (config.run_id, f"results/any/{config.run_id}"):
        code, out, _ = call("show", word)
        assert code == 0
        assert out.splitlines()[0] == f"{config.run_id}: 2 classes, input 1 x 28 x 28"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cnnn",), "`cnnn` is neither a model nor a run under results; did you mean `cnn`? allowed: cnn, lenet5"),
        (("cnn", "--input", "3,32"), f"--input 3,32: {SHAPE}"),
        (("cnn", "--input", "3,32,16"), f"--input 3,32,16: {SHAPE}"),
        (("{name: cnn",), "{name: cnn: cannot be read as YAML; write for example '{name: cnn, dropout: 0.5}'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_show_what_is_not_there(call: Call, words: tuple[str, ...], message: str) -> None:
    assert call("show", *words) == (2, "", f"error: {message}\n")


def test_unreadable_sweeps_are_told_beside_the_others(call: Call, tmp_path: Path) -> None:
    good = "name: good\nbase: {dataset: fashion_mnist_mini, model: lenet5}\n"
    for name, text in (("good", good), ("bad", good.replace("lenet5", "lenet6"))):
        (tmp_path / "results" / name).mkdir(parents=True)
        (tmp_path / "results" / name / "sweep.yaml").write_text(text)
    code, out, err = call("status")
    assert code == 2
    assert out.startswith("good: 1 run: 1 pending\n")
    assert err.startswith("error: results/bad/sweep.yaml:2: ")
