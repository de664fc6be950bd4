"""The shell completes names of sweeps and runs by their folders, whatever is in their files."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cnnjobs.cli.main import app


def completed(line: str) -> list[str]:
    """Completions of the last word of a command line, which may be empty."""
    words = line.split(" ")
    given = {"_CNNJOBS_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    return CliRunner().invoke(app, [], prog_name="cnnjobs", env=given).output.split()


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for sweep, runs in (("alpha", ("cnn-1", "cnn-2", "net-1")), ("beta", ("cnn-1", "lenet5-1"))):
        for run in runs:
            (tmp_path / "results" / sweep / run).mkdir(parents=True)
            (tmp_path / "results" / sweep / run / "config.yaml").write_text("{ no YAML")
        (tmp_path / "results" / sweep / "code").mkdir()
        (tmp_path / "results" / sweep / "sweep.yaml").write_text("{ no YAML")
    (tmp_path / "results" / "alphabet").mkdir()
    return tmp_path / "results"


@pytest.mark.usefixtures("results")
def test_every_command_completes_what_it_takes() -> None:
    for command in ("status", "retry", "report", "report beta", "bundle", "tensorboard"):
        assert completed(f"cnnjobs {command} al") == ["alpha"], command
    for command in ("logs", "show", "figures", "predict", "export"):
        assert completed(f"cnnjobs {command} cnn") == ["cnn-1", "cnn-2"], command
    for command in ("cancel", "cancel alpha", "evaluate"):
        assert completed(f"cnnjobs {command} ") == ["alpha", "beta", "cnn-1", "cnn-2", "net-1", "lenet5-1"], command


def test_a_run_is_completed_within_its_sweep_and_in_another_folder(results: Path) -> None:
    assert completed("cnnjobs logs beta/") == ["beta/cnn-1", "beta/lenet5-1"]
    assert completed("cnnjobs logs nothing/") == []
    results.rename(results.parent / "elsewhere")
    assert completed("cnnjobs logs ") == []
    assert completed("cnnjobs logs --results elsewhere net") == ["net-1"]
