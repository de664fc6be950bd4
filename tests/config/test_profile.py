from __future__ import annotations

from pathlib import Path

import pytest

from cnnjobs.config.profile import PROFILE_KEYS, JobProfile, read_profile
from cnnjobs.errors import SpecError, UnknownNameError


def profile(folder: Path, text: str) -> Path:
    path = folder / "gpu.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_every_choice_is_open() -> None:
    assert read_profile(None, {}) == JobProfile(name="default")


def test_a_file_of_comments_leaves_every_choice_open(tmp_path: Path) -> None:
    assert read_profile(profile(tmp_path, "# max_parallel: 3\n"), {}) == JobProfile(name="gpu")


def test_overrides_go_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = profile(tmp_path, "max_parallel: 3\ncpus_per_run: 2\ngpus_per_run: 0\ndata_dir: ~/data\n")
    assert read_profile(path, {"max_parallel": 5}) == JobProfile(
        name="gpu", max_parallel=5, cpus_per_run=2, gpus_per_run=0, data_dir=tmp_path / "data"
    )


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    text = 'max_paralel: 3\ncpus_per_run: 0\ngpus_per_run: "1"\ndata_dir: [a]\nname: x\ncpus_per_run: 2\n'
    path = profile(tmp_path, text)
    with pytest.raises(SpecError) as error:
        read_profile(path, {})
    allowed = f"allowed: {', '.join(sorted(PROFILE_KEYS))}"
    assert str(error.value).split("\n") == [
        f"{path}:1: max_paralel: unknown key; did you mean `max_parallel`? {allowed}",
        f"{path}:2: cpus_per_run: found 0; allowed: a number above 0",
        f'{path}:3: gpus_per_run: found the text "1"; write 1 without quotes',
        f'{path}:4: data_dir: found ["a"]; allowed: a path',
        f"{path}:5: name: unknown key; a profile is called by its file",
        f"{path}:6: cpus_per_run: doubled key, first given in line 2; keep one of them",
    ]


def test_a_wrong_override_is_told_without_a_line(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"^job settings: max_parallel: found -1; allowed: a number above 0$"):
        read_profile(None, {"max_parallel": -1})


def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"gpu.yaml:1: found \[1\]; allowed: a mapping of keys$"):
        read_profile(profile(tmp_path, "[1]"), {})


def test_a_missing_profile_is_answered_with_those_there_are(tmp_path: Path) -> None:
    path = profile(tmp_path, "")
    with pytest.raises(UnknownNameError, match=rf"gp.yaml: no such file; did you mean `{path}`\?$"):
        read_profile(tmp_path / "gp.yaml", {})


def test_what_a_job_gets_on_slurm(tmp_path: Path) -> None:
    text = (
        "partition: gpu\naccount: lab\ngpus_per_run: 1\nmem_gb: 16\ntimeout_min: 12:00:00\n"
        "setup: [module load cuda, source env.sh]\nextra: {mail-user: me@lab, exclusive: true}\ncanary: false\n"
    )
    found = read_profile(profile(tmp_path, text), {"qos": "long"})
    assert found == JobProfile(
        name="gpu", partition="gpu", account="lab", qos="long", gpus_per_run=1, mem_gb=16.0, timeout_min=720,
        setup=("module load cuda", "source env.sh"), extra={"mail-user": "me@lab", "exclusive": True}, canary=False,
    )  # fmt: skip
    assert found.set_for_slurm() == ("partition", "account", "qos", "mem_gb", "timeout_min", "setup", "extra", "canary")


@pytest.mark.parametrize(
    ("written", "minutes"),
    [("90", 90), ("12:00:00", 720), ("0:00:30", 1), ("30:00", 30), ("1-00:00", 1440), ("2-12:30:00", 3630)],
)
def test_times_as_slurm_reads_them(tmp_path: Path, written: str, minutes: int) -> None:
    assert read_profile(profile(tmp_path, f"timeout_min: {written}\n"), {}).timeout_min == minutes


def test_mistakes_in_slurms_settings_have_their_lines(tmp_path: Path) -> None:
    text = (
        'partition: 3\nmem_gb: 16G\ntimeout_min: "90"\nsetup: module load cuda\n'
        "extra: {cpus_per_task: 4}\nqos: ''\n"
    )  # fmt: skip
    path = profile(tmp_path, text)
    with pytest.raises(SpecError) as error:
        read_profile(path, {"timeout_min": 5})
    assert str(error.value).split("\n") == [
        f"{path}:1: partition: found 3; allowed: a text",
        f'{path}:2: mem_gb: found "16G"; write 16',
        f'{path}:3: timeout_min: found the text "90"; write 90 without quotes',
        f'{path}:4: setup: found "module load cuda"; allowed: a list',
        f'{path}:5: extra: found the option "cpus_per_task"; write cpus_per_run:',
        f'{path}:6: qos: found ""; allowed: String should have at least 1 character',
    ]


@pytest.mark.parametrize("value", ["tomorrow", "1:2:3", "4h"])
def test_a_time_that_is_none(value: str) -> None:
    with pytest.raises(SpecError, match="allowed: minutes, hours:minutes:seconds or days-hours:minutes"):
        read_profile(None, {"timeout_min": value})


def test_a_run_may_have_several_nodes(tmp_path: Path) -> None:
    assert read_profile(profile(tmp_path, "nodes: 2\n"), {}).nodes == 2
    path = profile(tmp_path, "nodes: 0\nruns_at_once: 0\n")
    with pytest.raises(SpecError) as error:
        read_profile(path, {})
    assert str(error.value).split("\n") == [
        f"{path}:1: nodes: found 0; allowed: a number above 0",
        f"{path}:2: runs_at_once: found 0; allowed: auto or a number above 0",
    ]


@pytest.mark.parametrize(
    ("option", "remedy"),
    [
        ("array", "cnnjobs sets it itself"),
        ("--mail-user", "the long name"),
        ("nodes", "write nodes:"),
        ("time", "timeout"),
        ("test-only", "--dry-run"),
        ("wait", "reads what sbatch answers"),
        ("vers", 'found the option "vers", which sbatch takes for version; cnnjobs reads'),
        ("outp", "which sbatch takes for output; cnnjobs sets it itself"),
        *((name, "leave it out") for name in ("help", "parsable", "begin", "output", "quiet", "usage", "clusters")),
    ],
)
def test_options_that_are_not_the_users(option: str, remedy: str) -> None:
    with pytest.raises(SpecError, match=remedy):
        read_profile(None, {"extra": {option: 1}})


def test_options_that_begin_like_one_of_ours_and_are_none() -> None:
    allowed = {"wait-all-nodes": 1, "no-kill": True, "time-min": 5, "nodelist": "n1", "cluster-constraint": "x"}
    assert read_profile(None, {"extra": allowed}).extra == allowed


def test_a_line_break_is_refused_with_key_and_line(tmp_path: Path) -> None:
    text = (
        "partition: |\n  gpu\nextra:\n  nice: 4\n  comment: >\n    two\n    words\n"
        'account: "a\\u2028b"\nqos: "a\\tb"\nexclude: "n1\\n#SBATCH --wait"\nconstraint: >-\n  a\n  b\n'
        "setup:\n- |\n  one\n  two\n"
    )
    path = profile(tmp_path, text)
    with pytest.raises(SpecError) as error:
        read_profile(path, {})
    told = [line.split("; ") for line in str(error.value).split("\n")]
    assert {remedy for _, remedy in told} == {"write it on one line, without | or >"}
    assert [found.removeprefix(f"{path}:").split(": ")[:2] for found, _ in told] == [
        ["1", "partition"], ["5", "extra.comment"], ["8", "account"], ["9", "qos"], ["10", "exclude"],
    ]  # fmt: skip
