"""`cnnjobs cancel`, `retry` and `logs` on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Project


def test_cancel_one_run_and_then_the_sweep(project: Project) -> None:
    project.write(project.sweep.replace("epochs: 40", "epochs: 4000"))
    launcher = project.start("local", "shades.yaml", "--no-report", "--set", "job.max_parallel=1")
    project.await_epochs(2)
    one = project.call("cancel", "seed=0")
    assert (one.returncode, one.stdout, one.stderr) == (0, "shades: cancelled seed=0\n", "")
    (first, *_) = (record for record in project.records() if "-s0-" in record["run_id"])
    assert first["state"] == "cancelled"
    assert first["cause"].startswith("cancelled by ")
    # The launcher goes on with the other one.
    project.await_epochs(2, runs=2)
    rest = project.call("cancel", "shades")
    assert (rest.returncode, rest.stderr) == (0, "")
    assert rest.stdout == "shades: cancelled seed=1; 1 run is over already\n"
    done = project.finish(launcher)
    assert done.returncode == 0, done.stderr
    assert [record["state"] for record in project.records()] == ["cancelled", "cancelled"]
    assert not list(project.store.glob("*/cancelled.txt"))
    assert project.call("cancel", "shades").stdout == "shades: nothing to cancel: 2 runs are over already\n"
    status = project.call("status", "shades")
    assert status.stdout.splitlines()[-1] == "next: cnnjobs retry shades"


def test_a_failed_run_its_log_and_its_retry(project: Project) -> None:
    # It passes a trial, whose batches are small.
    (project.path / "nets.py").write_text(
        "from torch import nn\n\n\nclass net(nn.Linear):\n"
        "    def __init__(self, in_channels, num_classes, image_size):\n"
        "        super().__init__(in_channels * image_size**2, num_classes)\n\n"
        "    def forward(self, x):\n        if len(x) > 3:\n            raise ValueError('no weights')\n"
        "        return super().forward(x.flatten(1))\n"
    )
    sweep = project.sweep.replace("{name: cnn, filters: [4], hidden: []}", "{name: 'nets:net'}")
    project.write(sweep.replace("seeds: 2", "seeds: [0, 1]").replace("epochs: 40", "epochs: 2"))
    assert project.call("local", "shades.yaml", "--no-report").returncode == 1
    log = project.call("logs", "seed=1")
    assert log.returncode == 0, log.stderr
    lines = log.stdout.splitlines()
    run_id = next(record["run_id"] for record in project.records() if "-s1-" in record["run_id"])
    assert lines[0] == f"seed=1 ({run_id})"
    assert not any("-s0-" in line for line in lines)
    assert lines[-1].startswith("failed: ValueError: no weights (")
    assert "Traceback (most recent call last):" in lines
    failed = project.call("logs", "--failed")
    assert failed.stdout.startswith("seed=0, seed=1: ValueError: no weights (")
    assert "    ValueError: no weights" in failed.stdout.splitlines()[-1]

    assert project.call("retry", "shades", "--cause", "oom").stdout == (
        "nothing to retry: no run has ended with a cause like `oom`\n"
    )
    (project.path / "nets.py").write_text(
        "from torch import nn\n\n\ndef net(in_channels, num_classes, image_size):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * image_size**2, num_classes))\n"
    )
    done = project.call("retry", "shades", "--cause", "exception", "--no-report", "--set", "job.max_parallel=1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("shades: 2 runs: 2 to run again\n")
    assert [record["state"] for record in project.records()] == ["finished", "finished"]
    assert project.call("retry", "shades").stdout == "nothing to retry: no run failed\n"


def test_what_names_no_run_or_several(finished: Project) -> None:
    unknown = finished.call("logs", "seed=7")
    assert unknown.returncode == 2
    assert unknown.stderr.startswith("error: `seed=7` is no run id, no beginning of one, no label and no sweep")
    several = finished.call("cancel", "seed")
    assert several.returncode == 2
    assert several.stderr.startswith("error: `seed` fits 2 runs: ")
    whole = finished.call("logs", "shades")
    assert whole.returncode == 2
    assert whole.stderr.startswith("error: shades has 2 runs: name one")
    kept = finished.call("logs", "seed=1")
    assert kept.returncode == 0
    said = kept.stdout.splitlines()
    assert any("logs.zip: " in line and line.endswith("_log.out:") for line in said)
    own = [line for line in said if ": epoch 1/" in line or ": attempt 1, " in line]
    assert len(own) == 2, said
    assert all("-s1-" in line for line in own)
    assert kept.stdout.splitlines()[-1].startswith("finished: train loss ")


def test_watching_ends_with_the_sweep(project: Project) -> None:
    launcher = project.start("local", "shades.yaml", "--no-report")
    project.await_epochs(2)
    watched = project.call("status", "--watch")
    assert watched.returncode == 0, watched.stderr
    assert project.finish(launcher).returncode == 0
    lines = watched.stdout.splitlines()
    assert any("finished: train loss " in line for line in lines)
    assert lines[-1] == "next: cnnjobs report shades"
