from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cnnjobs.status.sweeps import open_sweep
from cnnjobs.status.tensorboard import labelled

if TYPE_CHECKING:
    from conftest import Call

SWEEP = "name: {}\nbase: {{dataset: fashion_mnist_mini, model: lenet5, epochs: 1}}\nseeds: 2\n"


@pytest.fixture
def sweeps(call: Call, tmp_path: Path) -> Path:
    """Two sweep files of which nothing has run."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(SWEEP.format(name), encoding="utf-8")
    return tmp_path


def test_a_report_of_several_sweeps(call: Call, sweeps: Path) -> None:
    code, out, err = call("report", "one.yaml", "two.yaml", "--format", "md,html")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "report: results/report/report.html (beside it report.md)"
    manifest = (sweeps / "results" / "report" / "manifest.json").read_text(encoding="utf-8")
    assert '"command": "cnnjobs report one two --format html,md"' in manifest


def test_wrong_words_for_the_report(call: Call, sweeps: Path) -> None:
    code, _, err = call("report", "one.yaml", "--format", "html,docx")
    assert (code, err) == (
        2,
        "error: --format html,docx: no format is called `docx`; allowed: html, md, pdf\n",
    )
    code, _, err = call("report", "one.yaml", "--template", "gone.typ")
    assert code == 2
    assert err.startswith("error: gone.typ: the template cannot be read")


def test_results_that_can_only_be_read_are_reported_elsewhere(
    call: Call, sweeps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("report", "one.yaml", "--format", "md")
    before = sorted((sweeps / "results").rglob("*"))
    # The superuser may write anywhere but where the file system itself refuses.
    held = sweeps / "results"
    monkeypatch.setattr(
        os, "access", lambda path, mode: not (mode & os.W_OK and Path(path).resolve().is_relative_to(held))
    )
    code, out, err = call("report", "one.yaml", "--format", "md")
    assert (code, out.splitlines()[-1]) == (0, "report: one-report/report.md")
    assert err == "note: results/one/report cannot be written: the report goes to one-report; --out says where\n"
    # Again over its own, and where the user says; never into what is somebody's.
    assert call("report", "one.yaml", "two.yaml", "--format", "md", "--out", "mine")[0] == 0
    assert (sweeps / "mine" / "one" / "results.csv").is_file()
    assert "--out mine" in (sweeps / "mine" / "manifest.json").read_text(encoding="utf-8")
    assert call("report", "one.yaml", "--format", "md", "--out", "one-report")[0] == 0
    assert call("report", "one.yaml", "--out", ".") == (
        2, "", "error: .: holds files that are no report of ours; name a new folder with --out\n",
    )  # fmt: skip
    assert call("report", "one.yaml", "--out", "results/new")[2] == (
        "error: results/new: cannot be written; name a folder for the report with --out\n"
    )
    assert call("bundle", "one.yaml", "-o", "handin.zip")[0] == 0
    assert (sweeps / "handin.pdf").read_bytes().startswith(b"%PDF-")
    assert sorted((sweeps / "results").rglob("*")) == before


def test_a_bundle_overwrites_nothing_and_has_a_zip_files_name(call: Call, sweeps: Path) -> None:
    assert call("bundle", "one.yaml", "-o", "handin.tar")[::2] == (
        2,
        "error: --output handin.tar: the name of the archive ends with .zip\n",
    )
    code, out, _ = call("bundle", "one.yaml", "-o", "handin.zip")
    assert code == 0
    assert "  one/sweep.yaml" in out.splitlines()
    assert (sweeps / "handin.pdf").read_bytes().startswith(b"%PDF-")
    before = (sweeps / "handin.zip").read_bytes()
    code, _, err = call("bundle", "one.yaml", "-o", "handin.zip")
    assert code == 2
    assert "handin.zip exists already and stays as it is" in err
    (sweeps / "handin.zip").unlink()
    code, _, err = call("bundle", "one.yaml", "-o", "handin.zip")
    assert code == 2
    assert "handin.pdf exists already" in err
    (sweeps / "handin.pdf").unlink()
    call("bundle", "one.yaml", "-o", "handin.zip")
    assert (sweeps / "handin.zip").read_bytes() == before


def test_tensorboard_of_nothing(call: Call, sweeps: Path) -> None:
    code, _, err = call("tensorboard", "one.yaml")
    assert (code, err) == (2, "error: no run of one has started; start them with: cnnjobs local one.yaml\n")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_tensorboard_sees_runs_by_their_labels(call: Call, sweeps: Path) -> None:
    opened = open_sweep("one.yaml", Path("results"))
    with labelled(opened) as folder:
        assert sorted(link.name for link in folder.iterdir()) == ["seed=0", "seed=1"]
        later = opened.store.run(opened.sweep.runs[1].run_id)
        later.path.mkdir(parents=True)
        (later.path / "events.out.tfevents.1").touch()
        assert [*(folder / "seed=1").iterdir()] == [folder / "seed=1" / "events.out.tfevents.1"]
    assert not folder.exists()


def test_ctrl_c_in_a_report_says_what_is_left(call: Call, sweeps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cnnjobs.report.build.build_report", stopped)
    code, _, err = call("report", "one.yaml", "two.yaml")
    assert code == 130
    assert err.splitlines() == [
        "error: stopped by Ctrl-C: the report is not finished; an earlier one stays, some of its figures may be new",
        "make it with: cnnjobs report one two",
    ]
