"""`cnnjobs local`: what runs, what is kept, how it fails."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project


def test_the_second_start_runs_nothing_and_says_so(finished: Project) -> None:
    before = {file: file.stat().st_mtime_ns for file in finished.store.glob("*/*")}
    done = finished.call("local", "shades.yaml", "--no-report")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "shades: 2 runs: 2 finished\nnothing to run: 2 of 2 runs are finished\n"
    assert {file: file.stat().st_mtime_ns for file in finished.store.glob("*/*")} == before


def test_good_runs_leave_no_job_folder_and_few_files(trained: Project) -> None:
    assert not (trained.store / "jobs").exists()
    runs = [file.parent for file in trained.store.glob("*/config.yaml")]
    assert len(runs) == 2
    for run in runs:
        assert len(list(run.iterdir())) == 6, sorted(run.iterdir())


def test_after_a_change_only_what_is_new_runs(finished: Project) -> None:
    old = set(finished.store.glob("*/config.yaml"))
    finished.write(finished.sweep.replace("seeds: 2", "seeds: [1, 7]"))
    done = finished.call("local", "shades.yaml", "--no-report")
    assert done.returncode == 0, done.stderr
    first, second, *_ = done.stdout.splitlines()
    assert first == "shades: 2 runs: 1 new, 1 finished"
    assert second == "1 run on disk is not in the file any more and stays as it is, under results/shades"
    assert done.stdout.splitlines()[-1].startswith("[2/2] seed=7: finished: train loss ")
    (new,) = set(finished.store.glob("*/config.yaml")) - old
    assert "-s7-" in new.parent.name
    assert old < set(finished.store.glob("*/config.yaml"))


def test_force_runs_everything_again_with_the_same_numbers(finished: Project) -> None:
    before = finished.table()
    done = finished.call("local", "shades.yaml", "--no-report", "--force")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("shades: 2 runs: 2 to run again\n")
    assert [len(record["attempts"]) for record in finished.records()] == [2, 2]
    assert finished.table() == before
    assert not list(finished.store.glob("*/earlier"))


def test_a_diverging_run_fails_with_its_cause_and_the_next_command(project: Project) -> None:
    project.write(project.sweep.replace("lr: 0.01", "lr: 1e30").replace("seeds: 2", "seeds: 1"))
    done = project.call("local", "shades.yaml", "--no-report")
    assert done.returncode == 1
    first, cause, logs, following = done.stderr.splitlines()
    assert first == "error: 1 run failed:"
    assert cause.startswith("  cnn: diverged at step ")
    assert logs == "logs: results/shades/jobs"
    assert following == "run the failed ones again with: cnnjobs local shades.yaml --retry-failed"
    assert list((project.store / "jobs").glob("0001/*_log.err"))

    kept = project.call("local", "shades.yaml", "--no-report")
    assert kept.returncode == 1
    assert kept.stdout.splitlines()[1] == "nothing to run: 0 of 1 runs are finished; 1 failed before and is kept so"
    assert kept.stderr == done.stderr
    assert [len(record["attempts"]) for record in project.records()] == [1]

    again = project.call("local", "shades.yaml", "--no-report", "--retry-failed")
    assert again.returncode == 1
    assert again.stderr.splitlines()[1] == cause
    assert [len(record["attempts"]) for record in project.records()] == [2]


def test_missing_data_is_told_before_anything_is_written(project: Project) -> None:
    (project.path / "data").unlink()
    done = project.call("local", "shades.yaml")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no data set is called `shades`")
    assert not project.results.exists()


@pytest.mark.parametrize("words", [("local",), ("sweep", "--dry-run"), ("status",), ("report",)], ids=lambda w: w[0])
def test_mistakes_in_the_sweep_file_are_all_told_and_nothing_is_written(
    project: Project, words: tuple[str, ...]
) -> None:
    project.write(project.sweep.replace("lr: 0.01", "lr: fast").replace("epochs: 40", "epocs: 40"))
    done = project.call(words[0], "shades.yaml", *words[1:])
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert first.startswith('error: shades.yaml:5: lr: found "fast"; ')
    assert second.startswith("error: shades.yaml:7: epocs: unknown key; did you mean `epochs`?")
    assert not project.results.exists()


def test_a_results_folder_that_cannot_be_written(project: Project) -> None:
    (project.path / "taken").write_text("a file")
    done = project.call("local", "shades.yaml", "--results", "taken/results")
    assert done.returncode == 2
    assert done.stderr == ("error: taken: is no folder, so nothing can be written below it; remove or rename it\n")


def test_a_full_disk_leaves_nothing_behind(project: Project) -> None:
    disk = project.path / "disk"
    disk.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=False).returncode
    ):
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        with suppress(OSError):
            (disk / "filler").write_bytes(bytes(1 << 16))
        done = project.call("local", "shades.yaml", "--results", "disk/results")
        left = [path.name for path in disk.iterdir()]
    finally:
        subprocess.run(["umount", disk], check=True)
    assert done.returncode == 2
    assert "the disk is full; free some space or choose another folder with --results" in done.stderr
    assert left == ["filler"]


def test_a_sweep_by_its_name(finished: Project) -> None:
    (finished.path / "shades.yaml").rename(finished.path / "elsewhere.yaml")
    done = finished.call("local", "shades", "--no-report")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("nothing to run: 2 of 2 runs are finished\n")


def test_no_slurm_is_said_with_its_reason(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    done = project.call("sweep", "shades.yaml", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "on this machine (`sbatch` is not installed here): " in done.stdout.splitlines()[-2]
    assert not project.results.exists()


def test_an_unexpected_error_is_one_line_and_a_traceback_only_with_debug(project: Project) -> None:
    (project.path / "broken.py").write_text(
        "def net(in_channels, num_classes, image_size):\n    raise OSError('no net')\n"
    )
    done = project.call("show", "broken:net")
    assert (done.returncode, done.stderr) == (1, "error: OSError: no net; run again with --debug to see where\n")
    told = project.call("show", "broken:net", "--debug", traceback=True)
    assert told.returncode == 1
    assert told.stderr.endswith("error: OSError: no net\n")


def test_the_path_of_the_report_is_said(finished: Project) -> None:
    done = finished.call("report", "shades")
    assert done.returncode == 0, done.stderr
    assert (finished.path / done.stdout.splitlines()[-1].removeprefix("report: ").partition(" (")[0]).is_file()
    assert done.stdout.splitlines()[0].split()[0] == "configuration"
