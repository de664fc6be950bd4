from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cnnjobs.config.profile import JobProfile
from cnnjobs.disk.submission_folder import JobArray, SubmissionFolder
from cnnjobs.errors import InputError
from cnnjobs.launch.array.executor import scrubbed
from cnnjobs.launch.array.script import executor_for, lead_s
from cnnjobs.slurm.batch_script import NO_FOLDER_CODE, NO_PYTHON_CODE, NO_RESULTS_CODE, SETUP_CODE


def text(path: Path, profile: JobProfile | None = None, *, gpus: int = 0, max_parallel: int | None = None) -> str:
    array = JobArray(
        job_name="cnnjobs-x-1", tasks=[["a"], ["b"], ["c"]], store=path, gpus=gpus, created="now", host="h", user="u"
    )
    folder = SubmissionFolder(path / "jobs" / "1")
    return executor_for(folder, array, profile or JobProfile(name="x"), max_parallel=max_parallel, environment={}).text


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


def array_task(folder: Path, lines: str, **environment: str) -> subprocess.Popen[bytes]:
    """The script as Slurm runs it, from a file, as array task 2."""
    script_file = folder / "slurm_script"
    script_file.write_text(lines)
    given = {"PATH": "/usr/bin:/bin", "SLURMD_NODENAME": "n7", "SLURM_ARRAY_TASK_ID": "2", **environment}
    return subprocess.Popen(["bash", str(script_file)], cwd=folder, env=given)


def test_a_results_folder_that_is_away_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/no/such/python")
    log = tmp_path / "results" / "jobs" / "1" / "task-2.log"
    log.parent.mkdir(parents=True)
    (tmp_path / "results").rename(tmp_path / "away")
    started = array_task(tmp_path, text(tmp_path / "results"))
    with pytest.raises(subprocess.TimeoutExpired):
        started.wait(timeout=0.3)
    (tmp_path / "away").rename(tmp_path / "results")
    assert started.wait(timeout=20) == NO_PYTHON_CODE
    assert "the Python /no/such/python is missing on node n7" in log.read_text()


def test_a_submission_that_was_removed_is_not_waited_for(tmp_path: Path) -> None:
    assert array_task(tmp_path, text(tmp_path)).wait(timeout=20) == NO_RESULTS_CODE


@pytest.mark.parametrize("line", ["load cuda/99", "source ./broken", "if true; then\n  load cuda/99\nfi"])
def test_a_line_of_setup_that_fails_ends_the_job_with_that_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken").write_text("true\nload cuda/99\n")
    (tmp_path / "jobs" / "1").mkdir(parents=True)
    load = "load() { [ -n \"$1\" ]; ls '/no/such' 2>/dev/null; return 3; }"
    setup = (load, line, "touch went-on")
    assert array_task(tmp_path, text(tmp_path, JobProfile(name="x", setup=setup))).wait(timeout=20) == SETUP_CODE
    said = (tmp_path / "jobs" / "1" / "task-2.log").read_text()
    failed = line if line.startswith("source") else "load cuda/99"
    assert "".join(said.split("  ")) == f"cnnjobs: setup: {failed}: exit code 3 on node n7\n"
    assert not (tmp_path / "went-on").exists()


def test_what_setup_does_inside_or_allows_for_itself_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.executable", "/no/such/python")
    (tmp_path / "activate").write_text("grep x /dev/null\nfalse\ntrue\n")
    (tmp_path / "jobs" / "1").mkdir(parents=True)
    setup = (
        "load() { false; true; }", "load", "source ./activate", "[ -f /no/such ] && source /no/such", "false || true",
        "if false; then", "  exit 9", "fi", "# a word",
    )  # fmt: skip
    assert array_task(tmp_path, text(tmp_path, JobProfile(name="x", setup=setup))).wait(timeout=20) == NO_PYTHON_CODE


def test_slurms_own_words_go_to_the_log_where_no_accounting_tells_an_end(tmp_path: Path) -> None:
    folder, array = SubmissionFolder(tmp_path / "5%" / "jobs" / "1"), JobArray(
        job_name="x", tasks=[["a"]], store=tmp_path, created="now", host="h", user="u"
    )  # fmt: skip

    def output(*, accounted: bool) -> str:
        profile = JobProfile(name="x")
        return executor_for(folder, array, profile, max_parallel=None, environment={}, accounted=accounted).text

    assert "#SBATCH --output=/dev/null\n" in output(accounted=True)
    assert f"#SBATCH --output={str(tmp_path).replace('%', '%%')}/5%%/jobs/1/task-%a.log" in output(
        accounted=False
    ).replace("'", "")
    folder = SubmissionFolder(tmp_path / "two\nlines")
    with pytest.raises(InputError, match="no path with a line break"):
        output(accounted=False)
