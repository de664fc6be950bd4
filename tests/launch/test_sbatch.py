from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cnnjobs.errors import InputError
from cnnjobs.intents import JobIntent, SubmissionFolder
from cnnjobs.launch.sbatch import NO_FOLDER_CODE, NO_PYTHON_CODE, lead_s, script, scrubbed
from cnnjobs.spec.profile import JobProfile


def text(path: Path, profile: JobProfile | None = None, *, gpus: int = 0, max_parallel: int | None = None) -> str:
    intent = JobIntent(
        job_name="cnnjobs-x-1", tasks=[["a"], ["b"], ["c"]], store=path, gpus=gpus, created="now", host="h", user="u"
    )
    folder = SubmissionFolder(path / "jobs" / "1")
    return script(folder, intent, profile or JobProfile(name="x"), max_parallel=max_parallel, environment={})


@pytest.mark.parametrize(
    ("profile", "seconds"),
    [
        (JobProfile(name="x"), 120),
        (JobProfile(name="x", timeout_min=60), 120),
        (JobProfile(name="x", timeout_min=4), 60),
        (JobProfile(name="x", timeout_min=60, signal_lead_s=900), 900),
    ],
)
def test_the_signal_comes_well_before_the_end(profile: JobProfile, seconds: int) -> None:
    assert lead_s(profile) == seconds


def test_a_signal_that_would_come_at_the_start_is_refused() -> None:
    with pytest.raises(InputError, match=r"signal_lead_s: found 120, but a job ends after 60 s \(timeout_min: 1\)"):
        lead_s(JobProfile(name="x", timeout_min=1, signal_lead_s=120))


def test_nothing_of_a_surrounding_job_goes_along() -> None:
    given = {"SLURM_JOB_ID": "1", "SBATCH_PARTITION": "p", "SRUN_DEBUG": "1", "SLURM_CONF": "/c", "PATH": "/bin"}
    assert scrubbed(given) == {"SLURM_CONF": "/c", "PATH": "/bin"}


def test_submitits_own_key_is_not_sent(tmp_path: Path) -> None:
    assert "wckey" not in text(tmp_path)


def test_a_throttle_only_where_it_holds_something_back(tmp_path: Path) -> None:
    assert "--array=0-2%2\n" in text(tmp_path, max_parallel=2)
    assert "--array=0-2\n" in text(tmp_path, max_parallel=3)


def test_gpus_by_the_users_own_option(tmp_path: Path) -> None:
    assert "--gpus-per-node=1\n" in text(tmp_path, gpus=1)
    own = text(tmp_path, JobProfile(name="x", extra={"gres": "gpu:a100:1"}), gpus=1)
    assert "--gres=gpu:a100:1\n" in own
    assert "gpus-per-node" not in own


@pytest.mark.parametrize("missing", ["folder", "python"])
def test_the_script_itself_tells_what_the_node_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    here = tmp_path / "it's here"
    here.mkdir()
    monkeypatch.chdir(here)
    if missing == "python":
        monkeypatch.setattr("sys.executable", "/no/such/python")
    lines = text(tmp_path)
    if missing == "folder":
        here.rename(tmp_path / "gone")
    environment = {"PATH": "/usr/bin:/bin", "SLURMD_NODENAME": "n7"}
    done = subprocess.run(
        ["bash", "-c", lines], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    said, code = {
        "folder": (f"cnnjobs: the working directory {here} is missing on node n7", NO_FOLDER_CODE),
        "python": ("cnnjobs: the Python /no/such/python is missing on node n7", NO_PYTHON_CODE),
    }[missing]
    assert done.stdout == f"{said}\n"
    assert done.returncode == code
